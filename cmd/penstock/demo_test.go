package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"penstock/configs"
)

// demoRun is a penstock demo as a process of its own.
type demoRun struct {
	t      *testing.T
	cmd    *exec.Cmd
	errs   bytes.Buffer
	mu     sync.Mutex
	out    string
	more   chan struct{} // there is more of out
	closed chan struct{}
}

// startDemo runs bin's demo; it is ended with the test, whatever happens.
func startDemo(t *testing.T, bin string, args ...string) *demoRun {
	t.Helper()
	r := &demoRun{t: t, cmd: exec.Command(filepath.Join(bin, "penstock"), append([]string{"demo"}, args...)...),
		more: make(chan struct{}, 1), closed: make(chan struct{})}
	r.cmd.Stderr = &r.errs
	pipe, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.closed)
		buf := make([]byte, 4096)
		for {
			n, err := pipe.Read(buf)
			r.mu.Lock()
			r.out += string(buf[:n])
			r.mu.Unlock()
			select {
			case r.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
	})
	return r
}

func (r *demoRun) shown() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out
}

// until waits for a line of the demo.
func (r *demoRun) until(text string) {
	r.t.Helper()
	limit := time.NewTimer(2 * patience)
	defer limit.Stop()
	for !strings.Contains(r.shown(), text) {
		select {
		case <-r.more:
		case <-r.closed:
			if !strings.Contains(r.shown(), text) {
				r.t.Fatalf("the demo ended and never showed %q\n%s%s", text, r.shown(), r.errs.String())
			}
		case <-limit.C:
			r.t.Fatalf("waited in vain for %q\n%s", text, r.shown())
		}
	}
}

// end waits for the exit code.
func (r *demoRun) end(want int) {
	r.t.Helper()
	select {
	case <-r.closed:
	case <-time.After(2 * patience):
		r.t.Fatalf("the demo does not end\n%s", r.shown())
	}
	err := r.cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		r.t.Fatal(err)
	}
	if got := r.cmd.ProcessState.ExitCode(); got != want {
		r.t.Fatalf("exit code %d, want %d\n%s\n%s", got, want, r.shown(), r.errs.String())
	}
}

func (r *demoRun) interrupt() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		r.t.Fatal(err)
	}
}

// nobodyLeft finds processes that name the demo's folder.
func nobodyLeft(t *testing.T, dir string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatalf("look at processes: %d, %v", len(lines), err)
	}
	for _, p := range lines {
		text, err := os.ReadFile(p)
		if err != nil {
			continue // ended meanwhile
		}
		if strings.Contains(string(text), dir) {
			t.Errorf("%s was left behind: %s", filepath.Dir(p), strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
}

// TestDemo is what ./scripts/demo gives, as real processes on free ports.
func TestDemo(t *testing.T) {
	t.Parallel()
	bin := buildFast(t)
	t.Run("walk", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "demo")
		r := startDemo(t, bin, "--walk", "--dir", dir, "--ssh", "127.0.0.1:0", "--https", "127.0.0.1:0")
		r.end(0)
		text := r.shown()
		for _, line := range []string{
			"zone safety is never open to vendors", "Ann has asked to come in: R-1", "olaf (line-1-owner) said yes", "W-1  open, ends",
			"certificate for W-1", "F-417  active", "file.transferred", "ask for more if you need", "--rights look,copy,set,load", "flow ", "40012    Fill volume   812 ml", "paused by Mia Voss (Filling shift supervisor)", "W-1 cut by Mia Voss (Filling shift supervisor)", "filler> set fill-volume 800",
			"no alarm", "Handed back W-1", "Proved, as far as this goes", "NOT PROVED", "It is found, and named.", "(exit code 3)",
		} {
			if !strings.Contains(text, line) {
				t.Errorf("the walk did not show %q", line)
			}
		}
		hidesSecrets(t, dir, text)
		narrow(t, text)
		if strings.Contains(text, "\x1b") {
			t.Error("there are colours, and standard output is no terminal")
		}
		if _, err := os.Stat(filepath.Join(dir, "changed")); err == nil {
			t.Error("the changed copy, which holds keys, was left behind")
		}
		nobodyLeft(t, dir)
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "demo")
		r := startDemo(t, bin, "--walk", "--dir", dir, "--ssh", "127.0.0.1:0", "--https", "127.0.0.1:0")
		r.until("penstock demo registers") // a forward is live
		r.interrupt()
		r.end(1)
		if !strings.Contains(r.errs.String(), "all of it is stopped") {
			t.Errorf("it said %q", r.errs.String())
		}
		nobodyLeft(t, dir)
	})
	t.Run("goes on", func(t *testing.T) { t.Parallel(); demoGoesOn(t, bin) })
	t.Run("night", func(t *testing.T) { t.Parallel(); demoNight(t, bin) })
	t.Run("in use", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for flag, other := range map[string]string{"--ssh": "--https", "--https": "--ssh"} {
			r := startDemo(t, bin, "--dir", filepath.Join(t.TempDir(), "demo"), flag, l.Addr().String(), other, "127.0.0.1:0")
			r.end(1)
			if got := r.errs.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "is in use; choose another port, such as: "+flag+" 127.0.0.1:") {
				t.Errorf("a port in use: %q", got)
			}
		}
	})
}

// demoSays is the part of --json that programs live by.
type demoSays struct {
	Dir    string
	Broker struct{ Name, SSH, Socket string }
	People []struct {
		Name, Password string
		Secret         string `json:"totp_secret"`
		SSHConfig      string `json:"ssh_config"`
	}
	Next []string
}

// demoGoesOn: a second run has the same people and the same log, and enrols nobody again.
func demoGoesOn(t *testing.T, bin string) {
	dir := filepath.Join(t.TempDir(), "demo")
	r := startDemo(t, bin, "--dir", dir, "--ssh", "127.0.0.1:0", "--https", "127.0.0.1:0")
	r.until("Ctrl-C ends it")
	other := startDemo(t, bin, "--dir", dir, "--ssh", "127.0.0.1:0", "--https", "127.0.0.1:0")
	other.end(1)
	if !strings.Contains(other.errs.String(), "another demo runs in "+dir) {
		t.Errorf("a second demo in the same folder: %q", other.errs.String())
	}
	oneScreen(t, dir, r.shown())
	demoPlantIsTheExample(t, bin, dir)
	first := demoCode(t, bin, dir, "olaf")
	if again := demoCode(t, bin, dir, "olaf"); again == first {
		t.Errorf("the code %s was given twice", again)
	}
	r.interrupt()
	r.end(0)
	nobodyLeft(t, dir)
	fault := exec.Command(filepath.Join(bin, "penstock"), "demo", "fault", "--dir", dir)
	if out, err := fault.CombinedOutput(); fault.ProcessState.ExitCode() != exitNoReach || !strings.Contains(string(out), "start it with penstock demo --dir") {
		t.Errorf("a fault where no demo runs: %v %s", err, out)
	}
	before := leafTypes(t, bin, dir)
	if before["key.enrolled"] == 0 || before["log.created"] != 1 || before["node.stopped"] != 1 {
		t.Fatalf("the first run left %v", before)
	}

	r = startDemo(t, bin, "--dir", dir, "--ssh", "127.0.0.1:0", "--https", "127.0.0.1:0", "--json")
	r.until("\n}\n")
	var says demoSays
	if err := json.Unmarshal([]byte(r.shown()), &says); err != nil {
		t.Fatalf("--json: %v\n%s", err, r.shown())
	}
	if len(says.People) != 5 || says.Dir != dir || len(says.Next) == 0 {
		t.Errorf("--json says %+v", says)
	}
	for _, p := range says.People {
		if p.Password == "" || len(p.Secret) < 26 {
			t.Errorf("--json does not say how %s signs in", p.Name)
		}
	}
	out, err := exec.Command("ssh", "-F", filepath.Join(dir, "ssh_config"), "desk@broker", "windows").CombinedOutput()
	if err != nil {
		t.Errorf("Ann's ssh does not reach the broker: %v: %s", err, out)
	}
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil { // the terminal was closed
		t.Fatal(err)
	}
	r.end(0)
	nobodyLeft(t, dir)
	after := leafTypes(t, bin, dir)
	for _, kind := range []string{"key.enrolled", "person.invited", "person.joined", "person.confirmed", "log.created"} {
		if after[kind] != before[kind] {
			t.Errorf("the second run wrote %s again: %d leaves, before %d", kind, after[kind], before[kind])
		}
	}
	if after["node.started"] != 2 {
		t.Errorf("the log has %d node.started", after["node.started"])
	}
}

// demoPlantIsTheExample: the demo's plant file is configs/plant.yaml but for
// where its machines are and what nobody can fulfil here, and means the same.
func demoPlantIsTheExample(t *testing.T, bin, dir string) {
	t.Helper()
	file := filepath.Join(dir, "plant.yaml")
	for _, verb := range []string{"check", "test"} {
		if out, err := exec.Command(filepath.Join(bin, "penstock"), "policy", verb, file).CombinedOutput(); err != nil {
			t.Errorf("policy %s: %v\n%s", verb, err, out)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	shipped := map[string]bool{}
	for line := range strings.Lines(string(configs.Plant()[configs.PlantMain])) {
		shipped[line] = true
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "# ") || shipped[line] {
			continue
		}
		ok := strings.Contains(line, "origin: https://localhost:") || strings.Contains(line, "127.") || strings.Contains(line, "tcp: ") || strings.Contains(line, "host_keys: ") || strings.Contains(line, "demo")
		if !ok {
			t.Errorf("another line than the example's: %s", line)
		}
	}
	if strings.Contains(string(text), "address: 10.") {
		t.Error("a machine of the demo is not on this computer")
	}
}

func demoCode(t *testing.T, bin, dir, who string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, "penstock"), "demo", "code", who, "--dir", dir).Output()
	code := strings.TrimSpace(string(out))
	if _, e := strconv.Atoi(code); err != nil || e != nil || len(code) != 6 {
		t.Fatalf("demo code %s: %q, %v", who, out, err)
	}
	return code
}

// leafTypes counts the log's leaves by type.
func leafTypes(t *testing.T, bin, dir string) map[string]int {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, "penstock"), "log", "tail", filepath.Join(dir, "data"), "-n", "10000", "--json").Output()
	if err != nil {
		t.Fatalf("log tail: %v", err)
	}
	count := map[string]int{}
	for line := range strings.Lines(string(out)) {
		var leaf struct{ Type string }
		if err := json.Unmarshal([]byte(line), &leaf); err != nil {
			t.Fatal(err)
		}
		count[leaf.Type]++
	}
	return count
}

// hidesSecrets: nothing that a person of the demo signs in with was shown.
func hidesSecrets(t *testing.T, dir, text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "people", "*", "signin.json"))
	if err != nil || len(files) != 5 {
		t.Fatalf("%d people, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var s struct{ Password, Secret, Invitation string }
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		for what, secret := range map[string]string{"password": s.Password, "secret": s.Secret, "invitation": s.Invitation} {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("the %s in %s was shown", what, file)
			}
		}
	}
	if strings.Contains(text, "otpauth://totp") {
		t.Error("a code generator's secret was shown")
	}
}

// oneScreen: what somebody sees first is small, and has all that is needed to go on.
func oneScreen(t *testing.T, dir, text string) {
	t.Helper()
	if n := strings.Count(text, "\n"); n > 48 {
		t.Errorf("the first screen has %d lines", n)
	}
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(text, dir, ".scratch/demo")) {
		if !strings.HasPrefix(line, "  Played by itself:") { // names this test's own binary
			lines = append(lines, line)
		}
	}
	narrow(t, strings.Join(lines, ""))
	for _, want := range []string{"panel   http://127.0.0.1:", "pages   https://127.0.0.1:", "broker  ssh at 127.0.0.1:", "penstock demo fault", "cert@broker", "ssh -F ssh_config filler-plc.kiel\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the first screen does not say %q", want)
		}
	}
}

// narrow: what can be wrapped is within 80 columns.
func narrow(t *testing.T, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		typed := strings.Contains(line, "$ ") // a command's line is shown as it stands
		if len([]rune(line)) > 80 && len(strings.Fields(line)) > 1 && !typed {
			t.Errorf("longer than 80 columns: %q", line)
		}
	}
}
