package main

import (
	"bytes"
	"context"
	_ "embed" // plant.yaml
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
)

// plant is what is measured: a broker with an open window, an sshd as target
// that admits the bench's own key too, and a stock sshd as jump.
type plant struct {
	binary               string // penstock, absolute
	tell                 func(string)
	dir                  string // made for this run, removed after it
	demo                 told
	broker, target, hops *daemon
	targetPort, hopsPort int
	account              string // on the target: whoever runs this
	served               int    // how often the broker was started
	profiles             string // address of the private listener
	others               map[string]*colleague
	jan                  caller // who sponsors them

	cutSSHEnd, cutEnd   net.Listener // the machine whose sessions are cut: in this process
	cutSSHPort, cutPort int
}

// told is what penstock demo --json says, as far as it is needed.
type told struct {
	Dir    string
	Broker struct{ Name, SSH, Socket, Config, Plant, Data string }
	People []person
	Files  struct {
		KnownHosts string `json:"known_hosts"`
	}
}

func (p *plant) person(who string) person {
	for _, one := range p.demo.People {
		if one.Name == who {
			return one
		}
	}
	return person{}
}

func (p *plant) bin() string              { return filepath.Dir(p.binary) }
func (p *plant) at(path ...string) string { return filepath.Join(append([]string{p.dir}, path...)...) }

// raise brings all of it up. What it returns has to be ended, also beside an error.
func raise(ctx context.Context, binary, dir string, tell func(string)) (*plant, error) {
	work, err := os.MkdirTemp(dir, "run")
	if err != nil {
		return nil, fmt.Errorf("make a folder to work in: %w", err)
	}
	p := &plant{binary: binary, dir: work, tell: tell}
	tell("bringing up a plant in " + work)
	for _, do := range []func(context.Context) error{p.people, p.machines, p.listen, p.plantFile, p.private, p.serve, p.sshConfig, p.colleagues, p.window} {
		if err := do(ctx); err != nil {
			return p, err
		}
	}
	return p, nil
}

// end stops everything and takes the folder away: keys and passwords lie in it.
func (p *plant) end() {
	for _, d := range []*daemon{p.broker, p.hops, p.target} {
		if d != nil {
			d.stop(syscall.SIGTERM)
		}
	}
	for _, l := range []net.Listener{p.cutSSHEnd, p.cutEnd} {
		if l != nil {
			_ = l.Close() // may be closed
		}
	}
	_ = os.RemoveAll(p.dir) // ours alone
}

// people lets the demo enrol its cast, then ends it: what follows runs the broker
// as a process of its own, and the target with one more key.
func (p *plant) people(ctx context.Context) error {
	out, err := os.OpenFile(p.at("demo.json"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("make a file for what the demo says: %w", err)
	}
	defer out.Close()
	d, err := start(p.at("demo.log"), out, p.binary, "demo", "--json", "--ssh", "127.0.0.1:0", "--https", "127.0.0.1:0", "--dir", p.at("demo"))
	if err != nil {
		return err
	}
	defer d.stop(syscall.SIGINT)
	return d.until(ctx, "set up the demo's people", func() bool {
		text, err := os.ReadFile(p.at("demo.json"))
		return err == nil && json.Unmarshal(text, &p.demo) == nil
	})
}

//go:embed plant.yaml
var plantText string

// plantFile takes the place of the demo's: the people are its own, the machine is ours.
func (p *plant) plantFile(context.Context) error {
	key, err := os.ReadFile(p.at("host_key.pub"))
	if err != nil {
		return fmt.Errorf("read the target's key: %w", err)
	}
	words := struct {
		Port, CutSSH, Cut int
		HostKey, Account  string
	}{p.targetPort, p.cutSSHPort, p.cutPort, strings.Join(strings.Fields(string(key))[:2], " "), p.account}
	var text strings.Builder
	if err := template.Must(template.New("plant").Parse(plantText)).Execute(&text, words); err != nil {
		return fmt.Errorf("write the plant file: %w", err)
	}
	if err := os.WriteFile(p.demo.Broker.Plant, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write the plant file: %w", err)
	}
	return nil
}

// Rekeying is left to what stock does; ciphers and key exchange are the client's
// choice (sshConfig), the same for all. HOME is empty, or shell start-up dominates.
const sshdConfig = `ListenAddress 127.0.0.1
Port %[1]d
HostKey %[2]s
TrustedUserCAKeys %[3]s/out_ca.pub
AuthorizedPrincipalsFile %[3]s/principals
AuthorizedKeysFile %[3]s/key.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
UsePAM no
StrictModes no
PidFile none
PrintMotd no
PrintLastLog no
MaxStartups 200
LogLevel ERROR
SetEnv PATH=/usr/local/bin:/usr/bin:/bin HOME=%[3]s/empty
`

// machines start the target and the jump. The target admits whom the broker
// certifies, and the bench's own key.
func (p *plant) machines(ctx context.Context) error {
	if err := os.MkdirAll(p.at("empty"), 0o700); err != nil {
		return fmt.Errorf("make an empty home: %w", err)
	}
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("ask who runs this: %w", err)
	}
	p.account = me.Username
	for _, key := range []string{"key", "host_key", "jump_key"} {
		if err := makeKey(ctx, p.at(key), key); err != nil {
			return err
		}
	}
	trusted, err := exec.CommandContext(ctx, "ssh-keygen", "-y", "-f", filepath.Join(p.demo.Broker.Data, "keys", "out_ca")).Output()
	if err != nil {
		return fmt.Errorf("read whom the target trusts: %w", err)
	}
	for name, text := range map[string][]byte{"out_ca.pub": trusted, "principals": []byte(p.account + "@filler-plc.kiel\n" + p.account + "@store-plc.kiel\n")} {
		if err := os.WriteFile(p.at(name), text, 0o600); err != nil {
			return fmt.Errorf("tell the target whom it trusts: %w", err)
		}
	}
	for _, d := range []struct {
		name, key string
		port      *int
		daemon    **daemon
	}{{"target", "host_key", &p.targetPort, &p.target}, {"jump", "jump_key", &p.hopsPort, &p.hops}} {
		if *d.port, err = freePort(); err != nil {
			return err
		}
		if *d.daemon, err = p.sshd(ctx, d.name, *d.port, p.at(d.key)); err != nil {
			return err
		}
	}
	return nil
}

func (p *plant) sshd(ctx context.Context, name string, port int, hostKey string) (*daemon, error) {
	path, err := findSSHD()
	if err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // only root's sshd wants it
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return nil, fmt.Errorf("make sshd's own folder: %w", err)
		}
	}
	config := p.at(name + ".conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, sshdConfig, port, hostKey, p.dir), 0o600); err != nil {
		return nil, fmt.Errorf("write an sshd_config: %w", err)
	}
	d, err := start(p.at(name+".log"), nil, path, "-D", "-e", "-f", config)
	if err != nil {
		return nil, err
	}
	if err := d.until(ctx, "start the "+name, func() bool { return listens(port) }); err != nil {
		d.stop(syscall.SIGTERM)
		return nil, err
	}
	return d, nil
}

// serve starts the broker.
func (p *plant) serve(ctx context.Context) error {
	var err error
	p.served++
	log := p.at(fmt.Sprintf("serve-%d.log", p.served))
	err = withSlack(unitSlack, func() error {
		p.broker, err = start(log, nil, p.binary, "serve", "--config", p.demo.Broker.Config)
		return err
	})
	if err != nil {
		return err
	}
	return p.broker.until(ctx, "start the broker", func() bool {
		text, err := os.ReadFile(log)
		return err == nil && bytes.Contains(text, []byte(`"msg":"ready"`))
	})
}

// complain tells the last of what the broker has logged as wrong: its log goes
// with the run's folder. p may be nil.
func (p *plant) complain() {
	if p == nil || p.served == 0 {
		return
	}
	text, err := os.ReadFile(p.at(fmt.Sprintf("serve-%d.log", p.served)))
	if err != nil {
		p.tell(err.Error())
		return
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, `"level":"INFO"`) {
			all = append(all, strings.TrimSpace(line))
		}
	}
	for _, line := range all[max(0, len(all)-10):] {
		p.tell("the broker said: " + line)
	}
}

// afresh is the same broker as a new process. Nobody may be in.
func (p *plant) afresh(ctx context.Context) error {
	p.broker.stop(syscall.SIGTERM)
	return p.serve(ctx)
}

// sshConfig names the four ways, with the same cipher and key exchange for all.
// Whose key it is HOME says.
func (p *plant) sshConfig(context.Context) error {
	host, port, err := net.SplitHostPort(p.demo.Broker.SSH)
	if err != nil {
		return fmt.Errorf("read the broker's address: %w", err)
	}
	text := fmt.Sprintf(`Host direct by-stock
  HostName 127.0.0.1
  Port %d
  User %s
  HostKeyAlias target
  IdentityFile %s/key
Host hop
  HostName 127.0.0.1
  Port %d
  User %[2]s
  HostKeyAlias hop
  IdentityFile %[3]s/key
Host by-stock
  ProxyJump hop
Host %[5]s
  HostName %[6]s
  Port %[7]s
  HostKeyAlias %[5]s
  IdentityFile ${HOME}/.ssh/id_ed25519
Host filler-plc.kiel
  ProxyJump ann@%[5]s
  User %[2]s
  IdentityFile ${HOME}/.ssh/id_ed25519
Host *
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile %[3]s/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  UpdateHostKeys no
  ControlPath none
  BatchMode yes
  LogLevel ERROR
  KexAlgorithms curve25519-sha256
  Ciphers aes128-gcm@openssh.com
  Compression no
  IgnoreUnknown ObscureKeystrokeTiming
  ObscureKeystrokeTiming no
`, p.targetPort, p.account, p.dir, p.hopsPort, p.demo.Broker.Name, host, port)
	if err := os.WriteFile(p.at("ssh_config"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write an ssh_config: %w", err)
	}
	known, err := os.ReadFile(p.demo.Files.KnownHosts)
	if err != nil {
		return fmt.Errorf("read whom ann trusts: %w", err)
	}
	for name, path := range map[string]string{"target": p.at("host_key.pub"), "hop": p.at("jump_key.pub")} {
		key, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a host key: %w", err)
		}
		known = append(known, name+" "+string(key)...)
	}
	return os.WriteFile(p.at("known_hosts"), known, 0o600)
}

// window lets the people type what opens one, until all of the crew have certificates.
func (p *plant) window(ctx context.Context) error {
	lines := []struct{ who, line string }{
		{"ann", p.asks("ann") + "desk@" + p.demo.Broker.Name + " request --people " + strings.Join(crew(), ",") +
			" --target " + p.account + "@filler-plc --target " + p.account + "@store-plc --rights look,copy,set,load --minutes 60 --why Bench"},
		{"olaf", "penstock answer R-1 yes --as olaf"},
		{"lena", "penstock answer R-1 yes --as lena"},
		{"mia", "penstock open W-1 --as mia"},
	}
	for _, who := range crew() {
		lines = append(lines, struct{ who, line string }{who, p.asks(who) + "cert@" + p.demo.Broker.Name + " > " + p.certificate(who)})
	}
	for _, next := range lines {
		if err := p.types(ctx, next.who, next.line); err != nil {
			return fmt.Errorf("open a window: %w", err)
		}
	}
	return nil
}

// toward is where each column's ssh goes.
func (p *plant) toward(who, column string) string {
	return map[string]string{direct: "direct", stock: "by-stock", penstock: who + "+" + p.account + "+filler-plc@" + p.demo.Broker.Name,
		hashes: who + "+" + p.account + "+store-plc@" + p.demo.Broker.Name, jump: "filler-plc.kiel"}[column]
}

// way is somebody's ssh line of each column.
func (p *plant) way(who, column string, more ...string) []string {
	i := 0
	for i < len(more) && strings.HasPrefix(more[i], "-") {
		i++
	}
	args := append(p.ssh(who), more[:i]...)
	return append(append(args, p.toward(who, column)), more[i:]...)
}
