package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// brokerName is the broker as people type it. No name server knows it: each
// person's ssh configuration says where it is.
const brokerName = "broker.example"

// folder is the demo's directory, absolute:
//
//	penstock.yaml plant.yaml bootstrap.yaml   as serve reads them; plant.test.yaml, registers/ beside
//	ssh_config known_hosts                    Ann's, the vendor's engineer
//	people/NAME/.ssh, people/NAME/signin.json keys, ssh configuration, password and secret in the clear
//	filler-plc/ line-1-ews/                   the machines: host key, and the files that they show
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

// settings are what a first run chose and later ones keep if they can.
type settings struct {
	Ports map[string]int `json:"ports"` // of the plant's machines and the panel, by asset and port
}

// prepare writes whatever is not there yet, and the addresses of this run.
func (f folder) prepare(ctx context.Context, g ground, o Options) error {
	for _, dir := range []string{"filler-plc", "line-1-ews", "people", "registers"} {
		if err := os.MkdirAll(f.at(dir), 0o700); err != nil {
			return fmt.Errorf("make the demo's folders: %w", err)
		}
	}
	text, err := json.Marshal(settings{g.numbers()})
	if err != nil {
		return fmt.Errorf("write the demo's settings: %w", err)
	}
	if err := os.WriteFile(f.at("demo.json"), text, 0o600); err != nil {
		return fmt.Errorf("write the demo's settings: %w", err)
	}
	for _, c := range cast {
		if err := makeKey(ctx, f.at("people", c.Name, ".ssh", "id_ed25519")); err != nil {
			return err
		}
		if err := f.sshConfig(c.Name, o.SSH); err != nil {
			return err
		}
	}
	hostKeys := map[string]string{}
	for _, asset := range []string{"filler-plc", "line-1-ews"} {
		if err := makeKey(ctx, f.at(asset, "host_key")); err != nil {
			return err
		}
		if hostKeys[asset], err = publicKey(f.at(asset, "host_key.pub")); err != nil {
			return err
		}
	}
	return f.serverFiles(g.moved(hostKeys), g.address(keyPlace)+fmt.Sprintf("/1/%d", wireKey), o)
}

// settings of an earlier run; none is no error.
func (f folder) settings() (settings, error) {
	var s settings
	text, err := os.ReadFile(f.at("demo.json"))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("read the demo's settings: %w", err)
	}
	return s, nil
}

// sshFiles are where a person's ssh configuration and known_hosts lie: Ann's in
// front, since she is who types ssh here.
func (f folder) sshFiles(name string) (config, knownHosts string) {
	if name == "ann" {
		return f.at("ssh_config"), f.at("known_hosts")
	}
	return f.at("people", name, ".ssh", "config"), f.at("people", name, ".ssh", "known_hosts")
}

// certificateFile is where ssh looks for Ann's certificate by itself.
const certificateFile = "people/ann/.ssh/id_ed25519-cert.pub"

func (f folder) sshConfig(name, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("the broker's address: %w", err)
	}
	config, knownHosts := f.sshFiles(name)
	machines := ""
	if name == "ann" {
		machines = fmt.Sprintf("Host filler-plc.%[1]s\n  User recipes\nHost line-1-ews.%[1]s\n  User service\nHost *.%[1]s\n  ProxyJump ann@%[2]s\n", siteName, brokerName)
	}
	text := fmt.Sprintf(`# For ssh, sftp and scp:  ssh -F %[6]s …   Written by penstock demo at each start.
Host broker %[1]s
  HostName %[2]s
  Port %[3]s
  HostKeyAlias %[1]s
  User %[7]s
%[5]sHost *
  IdentityFile %[4]s/id_ed25519
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile %[8]s
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
`, brokerName, host, port, f.at("people", name, ".ssh"), machines, config, name, knownHosts)
	return os.WriteFile(config, []byte(text), 0o600)
}

// serverFiles writes what serve reads.
func (f folder) serverFiles(where map[string]moved, key string, o Options) error {
	_, port, err := net.SplitHostPort(o.HTTPS)
	if err != nil {
		return fmt.Errorf("the pages' address: %w", err)
	}
	plant, err := demoPlant(o.Plant["plant.yaml"], where, key, "https://localhost:"+port, time.Now())
	if err != nil {
		return err
	}
	boot, err := f.bootstrap()
	if err != nil {
		return err
	}
	server := fmt.Sprintf("# How the demo's broker runs. Written by penstock demo at each start.\n"+
		"name: %s\ndata: data\nplant: plant.yaml\nbootstrap: bootstrap.yaml\nssh: {listen: %q}\nhttps: {listen: %q}\nloopback_targets: true    # the machines are on this host\n", brokerName, o.SSH, o.HTTPS)
	files := map[string][]byte{"plant.yaml": plant, "plant.test.yaml": demoStories(o.Stories), "bootstrap.yaml": []byte(boot), "penstock.yaml": []byte(server)}
	for name, text := range o.Plant {
		if name != "plant.yaml" {
			files[name] = text
		}
	}
	for name, text := range files {
		if err := os.WriteFile(f.at(filepath.FromSlash(name)), text, 0o600); err != nil {
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
		fmt.Fprintf(&b, "  %s: {name: %s, firm: fjord, roles: [%s], phone: %q, key: %s}\n", c.Name, c.Full, strings.Join(c.Roles, ", "), c.Phone, key)
	}
	return b.String(), nil
}

// trust gives everybody the broker's line for known_hosts, and returns the
// authority whose certificates the machines admit.
func (f folder) trust(ctx context.Context, penstock string) (string, error) {
	out, err := exec.CommandContext(ctx, penstock, "ca", "show", "--json", "--socket", f.socket()).Output()
	if err != nil {
		return "", fmt.Errorf("ask the broker for its authorities: %w", err)
	}
	var a struct{ Host, Out, Site string }
	if err := json.Unmarshal(out, &a); err != nil {
		return "", fmt.Errorf("ask the broker for its authorities: %w", err)
	}
	line := fmt.Sprintf("@cert-authority %s,*.%s %s\n", brokerName, a.Site, a.Host)
	for _, c := range cast {
		_, knownHosts := f.sshFiles(c.Name)
		if err := os.WriteFile(knownHosts, []byte(line), 0o600); err != nil {
			return "", fmt.Errorf("write known_hosts of %s: %w", c.Name, err)
		}
	}
	return a.Out, nil
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
