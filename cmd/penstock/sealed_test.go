package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/recording"
)

// The text of a session, put together at the target: no command names it whole.
const canaryText = "cooling-recipe-7731"

// auditorKey is what an auditor does with the real age-keygen.
func (r *rig) auditorKey(name string) (file, recipient string) {
	r.t.Helper()
	file = r.path(name + ".key")
	r.must(exec.Command("age-keygen", "-o", file).Run())
	out, err := exec.Command("age-keygen", "-y", file).Output()
	r.must(err)
	return file, strings.TrimSpace(string(out))
}

// byHand opens a session's key with the real age, as the format's description says.
func (r *rig) byHand(session, identity string) {
	r.t.Helper()
	for _, dir := range r.folders() {
		if filepath.Base(dir) != session {
			continue
		}
		plain, err := exec.Command("age", "-d", "-i", identity, filepath.Join(dir, "keys.age")).Output()
		r.must(err)
		if len(plain) != 32+len(session) || string(plain[32:]) != session {
			r.t.Fatalf("age gives %d bytes", len(plain))
		}
		rd, err := recording.OpenFolderWith(dir, plain[:32])
		r.must(err)
		r.must(rd.Close())
		return
	}
	r.t.Errorf("there is no folder of %s", session)
}

// works is one session of ann's, which shows and types the canary.
func (r *rig) works() {
	r.t.Helper()
	said, err := r.people["ann"].Talk(context.Background(), r.words("ann", r.ann(`printf 'cooling-%s\n' recipe-7731; cat > /dev/null`), canaryText+" typed\n"))
	r.must(err)
	if said.Code != 0 || !strings.Contains(said.Stdout, canaryText) {
		r.t.Fatalf("%+v\n%s", said, r.log())
	}
}

// typesAPassword is one session of ann's on a real terminal: a line that it
// echoes, and one that it does not.
func (r *rig) typesAPassword() {
	r.t.Helper()
	st := r.words("ann", r.ann("-tt", `printf 'Name: '; read -r a; stty -echo; printf 'Password: '; read -r b; stty echo; echo; echo over`), "")
	cmd := exec.Command(st.Args[0], st.Args[1:]...)
	cmd.Dir, cmd.Env = st.Dir, st.Env
	in, err := cmd.StdinPipe()
	r.must(err)
	out, err := cmd.StdoutPipe()
	r.must(err)
	r.must(cmd.Start())
	shown := bufio.NewReader(out)
	for _, step := range []struct{ until, keys string }{{"Name: ", "ann keller\r"}, {"Password: ", "hunter2\r"}, {"over", ""}} {
		var got strings.Builder
		for !strings.HasSuffix(got.String(), step.until) {
			b, err := shown.ReadByte()
			if err != nil {
				r.t.Fatalf("waiting for %q: %v: %q", step.until, err, got.String())
			}
			got.WriteByte(b)
		}
		_, err := io.WriteString(in, step.keys)
		r.must(err)
	}
	_ = cmd.Wait() // the shell's last word is its exit code
}

// reads runs the real penstock recording export, offline.
func (r *rig) reads(dir, session, identity, input string) (string, int) {
	r.t.Helper()
	cmd := exec.Command(filepath.Join(r.bin, "penstock"), "recording", "export", dir, session, "--form", "text", input, "--identity", identity)
	out, _ := cmd.CombinedOutput() // the exit code says it
	return string(out), cmd.ProcessState.ExitCode()
}

// sealedMode: nobody but the auditors opens what was recorded, whatever is stolen.
func sealedMode(t *testing.T, golden *rig) {
	r := golden.copy(t)
	mia, miaKey := r.auditorKey("mia")
	kim, kimKey := r.auditorKey("kim")
	stranger, _ := r.auditorKey("stranger")
	both := fmt.Sprintf("recordings: {mode: sealed, auditors: [{person: mia, key: %s}, {person: sec, key: %s}]}\n", miaKey, kimKey)
	r.edit("penstock.yaml", "loopback_targets: true\n", "loopback_targets: true\n"+both)
	r.start()
	r.trust()
	r.aim()
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", r.broker.cmd.Process.Pid))
	r.must(err)
	if !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).Match(limits) {
		t.Errorf("the broker may dump its memory:\n%s", limits)
	}
	r.works()
	r.refused("Sealed", "sec", "penstock", "recording", "export", "S-1")
	r.refused("Sealed", "sec", "penstock", "recording", "export", "S-1", "--form", "raw-in")
	s := r.push("cut-off")
	r.must(s.flows(4096))
	r.kill() // S-2 is left open, and its key is gone
	r.must(s.over())
	r.start()
	r.stop()
	r.proved()
	stolen := r.path("data")
	for _, session := range []string{"S-1", "S-2"} {
		for _, auditor := range []string{mia, kim} {
			want := map[string]string{"S-1": "[in] " + canaryText + " typed", "S-2": "cut-off 00000000"}[session]
			if said, code := r.reads(stolen, session, auditor, "--unmasked"); code != 0 || !strings.Contains(said, want) {
				t.Errorf("%s opens %s: exit code %d, %.300s", auditor, session, code, said)
			}
		}
		if said, code := r.reads(stolen, session, stranger, "--unmasked"); code != exitNo || !strings.Contains(said, "not sealed to this key") {
			t.Errorf("a stranger opens %s: exit code %d, %.300s", session, code, said)
		}
	}
	if out, err := exec.Command(filepath.Join(r.bin, "penstock-verify"), stolen, "--identity", mia).CombinedOutput(); err != nil || strings.Contains(string(out), "sealed to somebody else") {
		t.Errorf("penstock-verify with an auditor's key: %v\n%s", err, out)
	}
	r.byHand("S-1", mia)
	r.nothingReadable(stolen)
	r.modesChange(both, mia, kim, miaKey)
}

// nothingReadable tries what somebody with the data folder has.
func (r *rig) nothingReadable(dir string) {
	r.t.Helper()
	sessions := r.folders()
	tried, keys := 0, 0
	r.must(filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tried++
		for _, text := range []string{canaryText, "cut-off 000"} {
			if bytes.Contains(b, []byte(text)) {
				r.t.Errorf("%s holds what was recorded", path)
			}
		}
		if ids, err := age.ParseIdentities(bytes.NewReader(b)); err == nil {
			keys++
			for _, s := range sessions {
				if _, err := recording.SessionKey(s, ids...); err == nil {
					r.t.Errorf("%s opens %s", path, s)
				}
			}
		}
		if filepath.Base(filepath.Dir(path)) != "keys" {
			return nil
		}
		for at := range max(0, len(b)-31) {
			for _, s := range sessions {
				if _, err := recording.OpenFolderWith(s, b[at:at+32]); !errors.Is(err, recording.ErrWrongKey) {
					r.t.Fatalf("%s from byte %d, as the key of %s: %v", path, at, s, err)
				}
			}
		}
		return nil
	}))
	// recordings.key, of readable times, and seal.key are identities; they open none of these.
	if tried < 20 || keys != 2 || len(sessions) != 2 {
		r.t.Errorf("%d files, %d identities and %d sessions were tried", tried, keys, len(sessions))
	}
}

// modesChange: an auditor leaves, and then recordings are readable again. Each
// step is an event, and counts for new sessions only.
func (r *rig) modesChange(both, mia, kim, miaKey string) {
	r.t.Helper()
	alone := fmt.Sprintf("recordings: {mode: sealed, auditors: [{person: mia, key: %s}]}\n", miaKey)
	r.edit("penstock.yaml", both, alone)
	r.must(os.Remove(r.path("data", "keys", "recordings.key"))) // of readable times; sealed mode needs none
	r.start()
	r.typesAPassword()
	r.stop()
	for file, want := range map[string]int{mia: 0, kim: exitNo} {
		if said, code := r.reads(r.path("data"), "S-3", file, "--unmasked"); code != want {
			r.t.Errorf("%s and what came after kim left: exit code %d, want %d: %.300s", file, code, want, said)
		}
	}
	said, _ := r.reads(r.path("data"), "S-3", mia, "--input")
	if !strings.Contains(said, "[in] ann keller\n") || !strings.Contains(said, "[in] ••••\n") || strings.Contains(said, "hunter2") {
		r.t.Errorf("what was typed at a terminal, masked: %s", said)
	}
	r.edit("penstock.yaml", alone, "")
	r.fails("recordings.key is missing, and this broker has run with it")
	r.edit("penstock.yaml", "loopback_targets: true\n", "loopback_targets: true\n"+alone)
	var modes []string
	for _, leaf := range r.leaves() {
		switch b := leaf.Body.(type) {
		case audit.RecordingMode:
			modes = append(modes, fmt.Sprintf("%s %d", b.Mode, len(b.Auditors)))
		case audit.SessionStarted:
			modes = append(modes, b.Session+" "+b.Mode)
		}
	}
	if got := strings.Join(modes, ", "); got != "sealed 2, S-1 sealed, S-2 sealed, sealed 1, S-3 sealed" {
		r.t.Errorf("the log says %s", got)
	}
	r.proved()
}
