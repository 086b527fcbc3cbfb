package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/cpu"
)

// auditedAlgorithms is what ssh-audit --json says that a server offers.
type auditedAlgorithms struct {
	Kex []struct{ Algorithm string } `json:"kex"`
	Key []struct{ Algorithm string } `json:"key"`
	Enc []string                     `json:"enc"`
	Mac []string                     `json:"mac"`
}

// lines are "part name", in order. What it does not know (kex-strict, mlkem768)
// it lists nevertheless: names alone are compared, not its opinion of them.
func (a auditedAlgorithms) lines() []string {
	var all []string
	for _, k := range a.Kex {
		all = append(all, "kex "+k.Algorithm)
	}
	for _, k := range a.Key {
		all = append(all, "key "+k.Algorithm)
	}
	for _, name := range a.Enc {
		all = append(all, "enc "+name)
	}
	for _, name := range a.Mac {
		all = append(all, "mac "+name)
	}
	slices.Sort(all)
	return all
}

// auditedList is what is kept: "part name", two spaces or more, and why it is there.
func auditedList(text string) ([]string, error) {
	var all []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, why, _ := strings.Cut(line, "  ")
		if len(strings.Fields(name)) != 2 || strings.TrimSpace(why) == "" {
			return nil, fmt.Errorf("%q: want part and name, two spaces, and a reason", line)
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all, nil
}

// audited compares what a stranger's tool sees at the door with the kept list.
func (r *rig) audited() {
	r.t.Helper()
	tool, err := exec.LookPath("ssh-audit")
	if err != nil {
		r.t.Fatal("ssh-audit is missing: apt-get install ssh-audit (scripts/test does)")
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	// Its exit code is its opinion of the algorithms, which the list answers line by line.
	out, err := exec.CommandContext(ctx, tool, "--json", "--timeout=20", "-p", strconv.Itoa(r.story.ssh), "127.0.0.1").Output()
	var got auditedAlgorithms
	if bad := json.Unmarshal(out, &got); bad != nil {
		r.t.Fatalf("ssh-audit: %v: %v\n%s", err, bad, out)
	}
	text, err := os.ReadFile("testdata/ssh-audit.txt")
	r.must(err)
	want, err := auditedList(string(text))
	r.must(err)
	if !cpu.X86.HasAES && !cpu.ARM64.HasAES {
		want = append(want, "enc chacha20-poly1305@openssh.com")
	}
	for _, line := range got.lines() {
		if !slices.Contains(want, line) {
			r.t.Errorf("the broker offers %s, which testdata/ssh-audit.txt gives no reason for", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got.lines(), line) {
			r.t.Errorf("testdata/ssh-audit.txt has %s, which the broker does not offer", line)
		}
	}
}

func TestAuditedList(t *testing.T) {
	got, err := auditedList("# why\n\nmac b  old clients\nkex a   forward secrecy\n")
	if err != nil || strings.Join(got, ",") != "kex a,mac b" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, bad := range []string{"kex a\n", "kex  why\n", "kex a b  why\n"} {
		if got, err := auditedList(bad); err == nil {
			t.Errorf("%q was read as %q", bad, got)
		}
	}
}
