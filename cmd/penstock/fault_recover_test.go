package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// recovered: somebody else may have had the machine. Everything is taken back by
// one command, which first says what it would do and stops at a log that is not
// what was seen outside; then the plant begins again with the keys of its bootstrap
// file. With SOAK_ROUNDS=2 also the whole way back, until the vendor gets in again.
func recovered(t *testing.T, golden *rig) {
	r := golden.copy(t)
	old, err := os.ReadFile(r.path("data", "log", "checkpoint"))
	r.must(err)
	r.must(os.WriteFile(r.path("outside"), old, 0o600))
	run := func(code int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		cmd := exec.Command(filepath.Join(r.bin, "penstock"), append([]string{"recover", "--config", r.path("penstock.yaml")}, args...)...)
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run() // the exit code says it
		if cmd.ProcessState.ExitCode() != code {
			t.Fatalf("recover %v: exit code %d, want %d\n%s", args, cmd.ProcessState.ExitCode(), code, indent(out.String()))
		}
		return out.String()
	}
	keys := func() string {
		t.Helper()
		b, err := exec.Command("ssh-keygen", "-lf", r.path("data", "keys", "host_ca")).Output()
		r.must(err)
		return string(b)
	}
	before := keys()
	if said := run(0, "--checkpoint", r.path("outside")); !strings.Contains(said, "Would cut 1 window") || !strings.Contains(said, "Nothing was changed") {
		t.Errorf("what it would do:\n%s", indent(said))
	}
	if now, err := os.ReadFile(r.path("data", "log", "checkpoint")); err != nil || !bytes.Equal(now, old) || keys() != before {
		t.Errorf("it changed something without --yes: %v", err)
	}
	run(2, "--yes")
	if said := run(3, "--says", "Lena Lang", "--yes"); !strings.Contains(said, "--without-checkpoint") || keys() != before {
		t.Errorf("without a checkpoint from outside:\n%s", indent(said))
	}

	// A log that was made shorter behind a checkpoint outside is evidence, and no plant to begin with.
	rolled := r.path("rolled")
	r.must(exec.Command("cp", "-a", r.path("data"), rolled).Run())
	r.start()
	r.must(os.WriteFile(r.path("later"), r.checkpointNow(), 0o600))
	r.refused("still running", "mia", "penstock", "recover", "--config", r.path("penstock.yaml"), "--checkpoint", r.path("later"), "--says", "Mia", "--yes")
	r.kill()
	r.must(os.Rename(r.path("data"), r.path("data.whole")))
	r.must(os.Rename(rolled, r.path("data")))
	if said := run(3, "--checkpoint", r.path("later"), "--says", "Lena Lang", "--yes"); !strings.Contains(said, "NOT WHOLE") || keys() != before {
		t.Errorf("a log that was rolled back:\n%s", indent(said))
	}

	said := run(0, "--checkpoint", r.path("outside"), "--says", "Lena Lang, laptop of the night shift", "--yes")
	for _, want := range []string{"Cut 1 window", "@cert-authority", "TrustedUserCAKeys", "filler-plc", "ann "} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, indent(said))
		}
	}
	if keys() == before {
		t.Error("the host authority is the one that it was")
	}
	r.start()
	r.refused("host key verification failed", "ann", r.ann("true")...)
	r.trust()
	r.aim()
	r.refused("permission denied|refused", "ann", r.ann("true")...)    // certificate and key of before
	r.refused("permission denied", "ann", r.ssh("desk", "windows")...) // her key waits to be confirmed
	r.desk("olaf", "password")                                         // by the key that the plant began with
	if rounds(t, 1) == 1 {                                             // the way back needs six codes of people who have just given theirs: a minute of the machine's own clock
		r.stop()
		r.proved()
		return
	}
	r.backIn()
}

// backIn is the plant's way back, by what recover has said, until the vendor works again.
func (r *rig) backIn() {
	r.t.Helper()
	own := func(name string) string { return r.path("home", name, ".ssh", "id_ed25519") } // of the bootstrap file
	for _, name := range []string{"sec", "mia"} {
		r.desk(name, "password")
	}
	r.desk("olaf", "totp") // few codes: the machine's own clock has to go on for each that counts
	r.desk("mia", "totp")
	print, err := exec.Command("ssh-keygen", "-lf", own("ann")+".pub").Output()
	r.must(err)
	r.talk("olaf", "penstock", "people", "confirm", "ann", strings.Fields(string(print))[1])
	r.desk("ann", "totp")
	r.talk("ann", r.ssh("desk", "request --target "+r.account+"@filler-plc --rights look,copy,set --minutes 60 --work-order WO-4712 --why 'After the incident'")...)
	r.talk("olaf", "penstock", "answer", "R-2", "yes", "--sign-with", own("olaf"))
	r.talk("sec", "penstock", "answer", "R-2", "yes", "--sign-with", own("sec"))
	r.talk("mia", "penstock", "open", "W-2")
	r.must(os.WriteFile(r.path("home", "ann", ".ssh", "id_ed25519-cert.pub"), []byte(r.talk("ann", r.ssh("cert")...).Stdout), 0o600))
	if said := r.talk("ann", r.ann("echo in again")...); !strings.Contains(said.Stdout, "in again") {
		r.t.Errorf("ann: %+v", said)
	}
	r.stop()
	r.proved()
}

// checkpointNow is the running broker's newest checkpoint, as mia takes it.
func (r *rig) checkpointNow() []byte {
	r.t.Helper()
	return []byte(r.talk("mia", "penstock", "log", "checkpoint").Stdout)
}
