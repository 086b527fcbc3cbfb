package demo

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/template"
)

// brokerName is the broker as people type it. No name server knows it: each
// person's ssh configuration says where it is.
const brokerName = "broker.example"

//go:embed plant.yaml
var plantText string

//go:embed filler.sh
var fillerScript []byte

// folder is the demo's directory, absolute:
//
//	penstock.yaml plant.yaml bootstrap.yaml   as serve reads them
//	people/NAME/.ssh, people/NAME/signin.json keys, ssh configuration, password and secret in the clear
//	filler-plc/                               the machine: its sshd's files and its commands
//	data/                                     the broker's data directory
//	penstock.log                              the broker's own log
//	env                                       what a second terminal needs
type folder string

func (f folder) at(p ...string) string { return filepath.Join(append([]string{string(f)}, p...)...) }

func (f folder) socket() string { return f.at("data", "penstock.sock") }

var plainPath = regexp.MustCompile(`^[A-Za-z0-9/._+@,=-]+$`)

// openFolder makes the directory and takes its lock, so that no two demos use one.
func openFolder(dir string) (folder, func(), error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, fmt.Errorf("find the demo's folder: %w", err)
	}
	f := folder(abs)
	if !plainPath.MatchString(abs) {
		return "", nil, fmt.Errorf("the folder %q has signs in its path that ssh's files cannot hold; choose another: --dir D", abs)
	}
	if len(f.socket()) > 100 { // sockaddr_un holds 108 bytes
		return "", nil, fmt.Errorf("the folder %s has too long a path for a socket in it; choose a shorter one: --dir D", abs)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the demo's folder: %w", err)
	}
	if err := f.ours(); err != nil {
		return "", nil, err
	}
	lock, err := os.OpenFile(f.at("demo.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, fmt.Errorf("lock the demo's folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return "", nil, fmt.Errorf("another demo runs in %s: end it with Ctrl-C, or choose another folder: --dir D", abs)
	}
	return f, func() { lock.Close() }, nil
}

// ours refuses a directory that something else lives in.
func (f folder) ours() error {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return fmt.Errorf("look into the demo's folder: %w", err)
	}
	if _, err := os.Stat(f.at("demo.lock")); err != nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty and no demo was here before; choose another folder: --dir D", f)
	}
	return os.Chmod(string(f), 0o700)
}

// settings are what a first run chose and later ones keep.
type settings struct {
	MachinePort int    `json:"machine_port"`
	PagesPort   int    `json:"pages_port"`
	Account     string `json:"account"`
}

// pages is where the broker serves its pages.
func (s settings) pages() string { return fmt.Sprintf("127.0.0.1:%d", s.PagesPort) }

// prepare writes whatever is not there yet, and the addresses of this run.
func (f folder) prepare(ctx context.Context, listen string) (settings, error) {
	var s settings
	for _, dir := range []string{f.at("filler-plc", "bin"), f.at("people")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return s, fmt.Errorf("make the demo's folders: %w", err)
		}
	}
	s, err := f.settings()
	if err != nil {
		return s, err
	}
	for _, c := range cast {
		if err := makeKey(ctx, f.at("people", c.Name, ".ssh", "id_ed25519")); err != nil {
			return s, err
		}
		if err := f.sshConfig(c.Name, listen); err != nil {
			return s, err
		}
	}
	if err := makeKey(ctx, f.at("filler-plc", "host_key")); err != nil {
		return s, err
	}
	if err := os.WriteFile(f.at("filler-plc", "bin", "filler"), fillerScript, 0o700); err != nil {
		return s, fmt.Errorf("write the machine's commands: %w", err)
	}
	if err := os.WriteFile(f.at("filler-plc", "principals"), []byte(s.Account+"@filler-plc.kiel\n"), 0o600); err != nil {
		return s, fmt.Errorf("write whom the machine admits: %w", err)
	}
	return s, f.serverFiles(s, listen)
}

// settings are read, or chosen and written. A port that is taken meanwhile is
// chosen anew: the plant file changes with it, and the log says so.
func (f folder) settings() (settings, error) {
	var s settings
	text, err := os.ReadFile(f.at("demo.json"))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("read the demo's settings: %w", err)
	}
	if s.Account, err = account(); err != nil {
		return s, err
	}
	if s.MachinePort == 0 || !isFree(s.MachinePort) {
		if s.MachinePort, err = freePort(); err != nil {
			return s, err
		}
	}
	if s.PagesPort == 0 || !isFree(s.PagesPort) {
		if s.PagesPort, err = freePort(); err != nil {
			return s, err
		}
	}
	text, err = json.Marshal(s)
	if err != nil {
		return s, fmt.Errorf("write the demo's settings: %w", err)
	}
	return s, os.WriteFile(f.at("demo.json"), text, 0o600)
}

var plainAccount = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

func account() (string, error) {
	me, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find out who you are: %w", err)
	}
	if !plainAccount.MatchString(me.Username) {
		return "", fmt.Errorf("your user name %q cannot be an account of the demo's machine: run the demo as a user whose name has only a-z, 0-9, - and _", me.Username)
	}
	return me.Username, nil
}

func (f folder) sshConfig(name, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("the broker's address: %w", err)
	}
	home := f.at("people", name, ".ssh")
	text := fmt.Sprintf(`Host %[1]s
  HostName %[2]s
  Port %[3]s
  HostKeyAlias %[1]s
Host *
  IdentityFile %[4]s/id_ed25519
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile %[4]s/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
`, brokerName, host, port, home)
	return os.WriteFile(filepath.Join(home, "config"), []byte(text), 0o600)
}

// serverFiles writes what serve reads.
func (f folder) serverFiles(s settings, listen string) error {
	hostKey, err := publicKey(f.at("filler-plc", "host_key.pub"))
	if err != nil {
		return err
	}
	var plant strings.Builder
	words := struct {
		MachinePort      int
		HostKey, Account string
	}{s.MachinePort, hostKey, s.Account}
	if err := template.Must(template.New("plant").Parse(plantText)).Execute(&plant, words); err != nil {
		return fmt.Errorf("write the plant file: %w", err)
	}
	boot, err := f.bootstrap()
	if err != nil {
		return err
	}
	server := fmt.Sprintf("# How the demo's broker runs. Written by penstock demo at each start.\n"+
		"name: %s\ndata: data\nplant: plant.yaml\nbootstrap: bootstrap.yaml\nssh: {listen: %q}\nhttps: {listen: %q}\nloopback_targets: true    # the machine is on this host\n", brokerName, listen, s.pages())
	for name, text := range map[string]string{"plant.yaml": plant.String(), "bootstrap.yaml": boot, "penstock.yaml": server} {
		if err := os.WriteFile(f.at(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// bootstrap names the plant's first people, and the vendor's firm.
func (f folder) bootstrap() (string, error) {
	var b strings.Builder
	b.WriteString("# The plant's first people. The first leaf of the log names this file by hash.\nfirms:\n" +
		"  fjord: {name: Fjord Dairy Kiel, plant: true}\n" +
		"  krall: {name: Krall Fillers, sponsor: jan, networks: [127.0.0.0/8, \"::1/128\"], until: 2099-01-01}\npeople:\n")
	for _, c := range cast {
		if c.Firm != "fjord" {
			continue
		}
		key, err := publicKey(f.at("people", c.Name, ".ssh", "id_ed25519.pub"))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "  %s: {name: %s, firm: fjord, roles: [%s], key: %s}\n", c.Name, c.Full, c.Role, key)
	}
	return b.String(), nil
}

// trust gives everybody the broker's line for known_hosts, and the machine the
// authority whose certificates it admits.
func (f folder) trust(ctx context.Context, penstock string) error {
	out, err := exec.CommandContext(ctx, penstock, "ca", "show", "--json", "--socket", f.socket()).Output()
	if err != nil {
		return fmt.Errorf("ask the broker for its authorities: %w", err)
	}
	var a struct{ Host, Out, Site string }
	if err := json.Unmarshal(out, &a); err != nil {
		return fmt.Errorf("ask the broker for its authorities: %w", err)
	}
	line := fmt.Sprintf("@cert-authority %s,*.%s %s\n", brokerName, a.Site, a.Host)
	for _, c := range cast {
		if err := os.WriteFile(f.at("people", c.Name, ".ssh", "known_hosts"), []byte(line), 0o600); err != nil {
			return fmt.Errorf("write known_hosts of %s: %w", c.Name, err)
		}
	}
	return os.WriteFile(f.at("filler-plc", "out_ca.pub"), []byte(a.Out+"\n"), 0o600)
}

// env is what a second terminal reads to type the demo's lines.
func (f folder) env(bins ...string) error {
	text := fmt.Sprintf("# For a second terminal:  . %s\nexport PATH=%s:\"$PATH\"\nexport PENSTOCK_SOCKET=%s\nexport PENSTOCK_DEMO=%s\n",
		f.at("env"), strings.Join(slices.Compact(bins), ":"), f.socket(), f)
	return os.WriteFile(f.at("env"), []byte(text), 0o600)
}

// makeKey makes an ed25519 key where none is.
func makeKey(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", filepath.Base(path), "-f", path).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("ssh-keygen is missing: install the package openssh-client")
	}
	if err != nil {
		return fmt.Errorf("make the key %s: %w: %s", path, err, out)
	}
	return nil
}

// publicKey is a .pub file's key without its comment.
func publicKey(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read a public key: %w", err)
	}
	words := strings.Fields(string(text))
	if len(words) < 2 {
		return "", fmt.Errorf("%s holds no public key", path)
	}
	return words[0] + " " + words[1], nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}
