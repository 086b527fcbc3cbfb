package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/audit"
	"penstock/broker/brokertest"
)

// TestRunning is what an operator does with a broker: watches it, stops it,
// copies it and brings it back. The real binary, ssh and sshd.
func TestRunning(t *testing.T) {
	t.Parallel()
	golden := newGolden(t, buildBinaries(t))
	for _, f := range []struct {
		name string
		run  func(*testing.T, *rig)
	}{{"watched", watched}, {"drained", drained}, {"drained now", drainedNow}, {"reloaded", reloaded}, {"backed up", backedUp}, {"witnessed", witnessed}, {"copied outside", copiedOutside}, {"afterwards", afterwards}, {"sealed", sealedMode}} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.run(t, golden)
		})
	}
}

// watch lets a private listener be there; it gives its address.
func (r *rig) watch(more string) string {
	r.t.Helper()
	port, err := brokertest.FreePort()
	r.must(err)
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	r.edit("penstock.yaml", "loopback_targets: true", "loopback_targets: true\nprivate: {listen: "+at+"}\n"+more)
	return at
}

// fetch asks the private listener.
func (r *rig) fetch(at, path string) (int, string) {
	r.t.Helper()
	resp, err := http.Get("http://" + at + path)
	r.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	r.must(err)
	return resp.StatusCode, string(b)
}

// number is one sample of /metrics, 0 if it is absent.
func number(text, sample string) float64 {
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(sample) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return -1
	}
	return n
}

func watched(t *testing.T, golden *rig) {
	r := golden.copy(t)
	at := r.watch("log: debug\n")
	r.start()
	r.trust()
	r.aim()
	if code, text := r.fetch(at, "/healthz"); code != 200 {
		t.Errorf("healthz: %d %s", code, text)
	}
	if code, text := r.fetch(at, "/readyz"); code != 200 {
		t.Errorf("readyz: %d %s", code, text)
	}
	s := r.push("seen")
	r.must(s.flows(4096))
	r.refused("not in|window|account", "ann", r.ssh("ann+root-all+filler-plc", "true")...)
	want := func(sample string, ok func(float64) bool) {
		t.Helper()
		var text string
		r.must(until(sample+" is as it should be", func() (bool, error) {
			_, text = r.fetch(at, "/metrics")
			return ok(number(text, sample)), nil
		}))
	}
	one := func(n float64) bool { return n == 1 }
	some := func(n float64) bool { return n > 0 }
	none := func(n float64) bool { return n == 0 }
	for _, sample := range []string{"penstock_sessions", "penstock_channels", "penstock_ready", "penstock_self_test_ok", "penstock_clock_accepted",
		`penstock_windows{state="open"}`, "penstock_recordings_open", `penstock_part_running{part="desk"}`} {
		want(sample, one)
	}
	for _, sample := range []string{"penstock_vendor_in_bytes_total", "penstock_log_leaves", "penstock_log_bytes", "penstock_log_append_seconds_count",
		"penstock_recording_commit_seconds_count", "penstock_disk_sync_seconds_count", "penstock_data_free_bytes", "penstock_recordings_free_bytes",
		"penstock_recording_heads_age_seconds", "penstock_log_checkpoint_age_seconds", "go_goroutines", "process_open_fds", "penstock_ssh_connections"} {
		want(sample, some)
	}
	_, text := r.fetch(at, "/metrics")
	if !regexp.MustCompile(`penstock_refusals_total\{rule="[a-z-]+",stage="channel"\} [1-9]`).MatchString(text) {
		t.Errorf("the refused channel was not counted:\n%s", text)
	}
	r.talk("mia", "penstock", "cut", "W-1", "--why", "enough")
	r.must(s.over())
	want("penstock_cut_seconds_count", one)
	want(`penstock_logins_total{result="ok"}`, some) // who cut
	want(`penstock_logins_total{result="refused"}`, none)
	want(`penstock_windows{state="cut"}`, one)
	want("penstock_sessions", none)
	wellFormed(t, r, at)
	r.audited()
	if code, text := r.fetch(at, "/debug/pprof/goroutine?debug=1"); code != 200 || !strings.Contains(text, "penstock") {
		t.Errorf("pprof: %d", code)
	}
	if code, _ := r.fetch(at, "/api/v1/authorities"); code != 404 {
		t.Errorf("the API answers on the private listener: %d", code)
	}
	r.stop()
	noSecrets(t, r)
}

// wellFormed asks Prometheus' own tool about the metrics.
func wellFormed(t *testing.T, r *rig, at string) {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is missing: apt-get install prometheus (scripts/test does)")
	}
	_, text := r.fetch(at, "/metrics")
	cmd := exec.Command(tool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

// noSecrets: every line that serve writes is JSON, and no secret is in one.
func noSecrets(t *testing.T, r *rig) {
	t.Helper()
	said := r.broker.errs.String()
	for line := range strings.Lines(said) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	secrets := []string{"AGE-SECRET-KEY-", "PRIVATE KEY"}
	for _, p := range r.people {
		secrets = append(secrets, p.Password)
		if p.Secret != "" {
			secrets = append(secrets, p.Secret)
		}
	}
	for _, s := range secrets {
		if strings.Contains(said, s) {
			t.Errorf("a secret is in the server's words")
		}
	}
}

func drained(t *testing.T, golden *rig) {
	r := golden.copy(t)
	at := r.watch("drain: 2m\n")
	b := r.start()
	r.trust()
	r.aim()
	s := r.push("last")
	r.must(s.flows(1))
	r.must(b.cmd.Process.Signal(syscall.SIGTERM))
	r.must(until("readyz says that it drains", func() (bool, error) {
		code, text := r.fetch(at, "/readyz")
		return code == 503 && regexp.MustCompile("(?i)stop|drain").MatchString(text), nil
	}))
	if code, _ := r.fetch(at, "/healthz"); code != 200 {
		t.Errorf("healthz while draining: %d", code)
	}
	info, err := os.Stat(s.file)
	r.must(err)
	r.must(s.flows(info.Size() + 1)) // it works on
	r.must(until("nobody new gets in", func() (bool, error) {
		_, text := r.fetch(at, "/metrics")
		return number(text, "penstock_ready") == 0 && number(text, "penstock_sessions") == 1, nil
	}))
	_ = s.cmd.Process.Kill() // the vendor leaves
	r.must(s.over())
	if said := s.errs.String(); !regexp.MustCompile("about to stop in (2m0s|1m5)").MatchString(said) {
		t.Errorf("the vendor was not told: %q", said)
	}
	select {
	case <-b.ended:
	case <-time.After(patience):
		t.Fatalf("it waits on, though everybody has left\n%s", r.log())
	}
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, r.log())
	}
	r.sane()
	r.proved()
}

// drainedNow: whoever says it twice means it. The record is whole all the same.
func drainedNow(t *testing.T, golden *rig) {
	r := golden.copy(t)
	r.watch("drain: 10m\n")
	b := r.start()
	r.trust()
	r.aim()
	s := r.push("short")
	r.must(s.flows(1))
	r.must(b.cmd.Process.Signal(syscall.SIGTERM))
	r.said(`"stopping"`)
	r.must(b.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-b.ended:
	case <-time.After(patience):
		t.Fatalf("it goes on draining\n%s", r.log())
	}
	r.must(s.over())
	if code := b.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, r.log())
	}
	r.sane()
	r.proved()
}

// backedUp: a copy is taken while a vendor works, brought back elsewhere,
// proved, and served from; torn and foreign ones are refused.
func backedUp(t *testing.T, golden *rig) {
	r := golden.copy(t)
	r.moved(golden)
	r.start()
	r.trust()
	r.aim()
	over := r.push("over") // a recording that is closed by then
	r.must(over.flows(1))
	_ = over.cmd.Process.Kill()
	r.must(over.over())
	s := r.push("work")
	r.must(s.flows(10_000))

	id, err := age.GenerateX25519Identity()
	r.must(err)
	r.must(os.WriteFile(r.path("identity"), []byte(id.String()+"\n"), 0o600))
	file := r.path("full.backup")
	r.refused("age1", "sec", "penstock", "backup", "-o", file, "--recipient", "ssh-ed25519 AAAA")
	there, err := os.ReadFile(s.file)
	r.must(err)
	r.talk("sec", "penstock", "backup", "-o", file, "--recipient", id.Recipient().String())
	r.must(s.flows(int64(len(there)) + 1)) // nothing stopped the vendor
	_ = s.cmd.Process.Kill()
	r.must(s.over())
	r.stop()
	r.proved()
	checkpoint := r.path("later.checkpoint")
	note, err := exec.Command(filepath.Join(r.bin, "penstock"), "log", "checkpoint", r.path("data")).Output()
	r.must(err)
	r.must(os.WriteFile(checkpoint, note, 0o600))
	if b, err := os.ReadFile(file); err != nil || bytes.Contains(b, []byte("AGE-SECRET-KEY")) {
		t.Errorf("a key stands in the backup (%v)", err)
	}

	back := r.copy(t)
	back.moved(r)
	tornBackups(t, back, file)
	data := back.path("data")
	if said, code := back.restore(file); code != 1 || !strings.Contains(said, "is not empty") {
		t.Errorf("into a directory that is not empty: %d %s", code, said)
	}
	back.must(os.RemoveAll(data))
	said, code := back.restore(file)
	if code != 0 || !strings.Contains(said, "Its keys are sealed to") {
		t.Fatalf("restore: %d %s", code, said)
	}
	back.proved()
	back.fails("log.key is missing")
	back.must(os.RemoveAll(data))

	said, code = back.restore(file, "--identity", r.path("identity"), "--checkpoint", checkpoint)
	if code != 0 || !strings.Contains(said, "older than what left the machine") {
		t.Fatalf("restore: %d %s", code, said)
	}
	back.proved()
	back.start()
	back.trust()
	back.aim()
	// Her window is open again, and might have been cut since: two people look first.
	back.refused("brought back from a backup", "ann", back.ann("true")...)
	back.talk("mia", "penstock", "clock", "accept")
	back.refused("brought back from a backup", "ann", back.ann("true")...)
	back.talk("sec", "penstock", "clock", "accept")
	back.talk("ann", back.ann("true")...)
	back.talk("sec", "penstock", "recording", "list")
	back.must(until("the index is made from log and recordings", func() (bool, error) {
		said := back.say("sec", "penstock", "recording", "search", "session.ended", "person:ann")
		return said.Code == 0 && strings.Contains(said.Stdout, "S-1"), nil
	}))
	back.refused("may not read|Ask OT security", "mia", "penstock", "recording", "search", "ann")
	back.refused("second", "sec", "penstock", "recording", "search", `"open`)
	if said := back.say("sec", "penstock", "recording", "search", "neverthere"); said.Code != 3 {
		t.Errorf("nothing was found, and the exit code is %d", said.Code)
	}
	back.stop()
	back.proved()
	counts := map[string]int{}
	for _, leaf := range back.leaves() {
		counts[leaf.Body.Type()]++
		if b, ok := leaf.Body.(audit.BackupRestored); ok && b.Outside <= b.Size {
			t.Errorf("the log does not say that a newer checkpoint was shown: %+v", b)
		}
	}
	if counts["backup.taken"] != 1 || counts["backup.restored"] != 1 {
		t.Errorf("events: %v", counts)
	}
	// What had reached the target when the backup was taken is in it.
	in := back.inputs()["work"]
	if len(there) == 0 || !bytes.HasPrefix(in, there) {
		t.Errorf("%d bytes had reached the target, and the restored recording has %d, which differ at %d", len(there), len(in), differAt(in, there))
	}
}

// moved lets people remember the codes that they gave at another copy of the plant.
func (r *rig) moved(from *rig) {
	for name, p := range from.people {
		r.people[name] = p.Move(r.path("home", name))
	}
}

// restore runs penstock restore; it gives its words and exit code.
func (r *rig) restore(file string, more ...string) (string, int) {
	r.t.Helper()
	cmd := exec.CommandContext(context.Background(), filepath.Join(r.bin, "penstock"), append([]string{"restore", file, "--data", r.path("data")}, more...)...)
	out, _ := cmd.CombinedOutput() // the exit code says it
	return string(out), cmd.ProcessState.ExitCode()
}

// tornBackups: whatever is missing or changed, nothing is left behind.
func tornBackups(t *testing.T, r *rig, file string) {
	t.Helper()
	whole, err := os.ReadFile(file)
	r.must(err)
	data := r.path("data")
	aside := r.path("aside")
	r.must(os.Rename(data, aside))
	for _, tc := range []struct {
		name  string
		bytes []byte
	}{
		{"empty", nil}, {"10 bytes", whole[:10]}, {"half", whole[:len(whole)/2]}, {"all but 4 bytes", whole[:len(whole)-4]},
		{"a byte changed", append(append(bytes.Clone(whole[:len(whole)/2]), whole[len(whole)/2]^0x40), whole[len(whole)/2+1:]...)},
		{"text", []byte("this is no backup\n")},
	} {
		path := r.path("torn.backup")
		r.must(os.WriteFile(path, tc.bytes, 0o600))
		said, code := r.restore(path)
		if code != 1 || !regexp.MustCompile("torn|damaged|no backup|not as it was taken|holds").MatchString(said) {
			t.Errorf("%s: exit code %d: %s", tc.name, code, said)
		}
		if _, err := os.Stat(data); !os.IsNotExist(err) {
			t.Errorf("%s: something was left behind (%v)", tc.name, err)
			r.must(os.RemoveAll(data))
		}
	}
	r.must(os.Rename(aside, data))
}
