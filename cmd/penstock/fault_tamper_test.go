package main

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// tampering: after a whole thread every changed byte, cut, missing, extra and
// swapped file of the data folder is found, and named.
func tampering(t *testing.T, golden *rig) {
	r := golden.copy(t)
	r.start()
	r.trust()
	r.aim()
	for _, cmd := range []string{"echo one", "cat /etc/hostname; echo two >&2", "seq 2000"} {
		r.talk("ann", r.ann(cmd)...)
	}
	s := r.push("tamper")
	r.must(s.flows(20_000))
	r.talk("mia", "penstock", "end", "W-1", "--why", "Done")
	r.must(s.over())
	r.talk("ann", r.ssh("desk", "handback W-1 'Nothing was changed.'")...)
	r.stop()
	r.proved()

	data := r.path("data")
	var files []string
	r.must(filepath.WalkDir(data, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && judged(strings.TrimPrefix(path, data+"/")) {
			files = append(files, strings.TrimPrefix(path, data+"/"))
		}
		return err
	}))
	t.Logf("%d files", len(files))
	j := &tamperJudge{t: t, verifier: filepath.Join(r.bin, "penstock-verify")}
	all, _ := errgroup.WithContext(t.Context())
	all.SetLimit(3)
	for _, name := range files {
		all.Go(func() error {
			dir, err := os.MkdirTemp("", "tamper")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			if out, err := exec.Command("cp", "-a", data+"/.", dir).CombinedOutput(); err != nil {
				t.Errorf("copy: %v: %s", err, out)
			}
			return j.spoil(dir, name)
		})
	}
	r.must(all.Wait())
	r.must(j.swaps(data, files))
	t.Logf("%d changes, %d not found, %d found and not named, in %v", j.tried, j.missed, j.unnamed, time.Since(j.begun()).Round(time.Second))
}

// judged are the files that prove something: not the rows and the search's
// words, which are indexes, nor a SIEM's cursor, the private keys, the lock, the
// closing reserve (room kept free) and the socket.
func judged(name string) bool {
	return name != "state.db" && !strings.HasPrefix(name, "search/") && !strings.HasPrefix(name, "siem/") && !strings.HasPrefix(name, "notices/") && name != "log/lock" && name != "log/reserve" && (!strings.HasPrefix(name, "keys/") || name == "keys/log.pub")
}

type tamperJudge struct {
	t        *testing.T
	verifier string
	start    sync.Once
	at       time.Time

	mu                     sync.Mutex
	tried, missed, unnamed int
}

func (j *tamperJudge) begun() time.Time {
	j.start.Do(func() { j.at = time.Now() })
	return j.at
}

// check judges one spoiled folder: not proved, and name among the findings.
func (j *tamperJudge) check(dir, what string, names ...string) {
	j.begun()
	out, err := exec.Command(j.verifier, "--json", dir).CombinedOutput()
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		j.t.Error(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tried++
	switch {
	case code == 0:
		j.missed++
		j.t.Errorf("%s: not found", what)
		return
	case code == 1 && names[0] == "keys/log.pub" && strings.Contains(string(out), names[0]):
		return // without the log's key nothing can be checked, and it says so
	case code != 3:
		j.t.Errorf("%s: exit code %d, want 3: %s", what, code, out)
		return
	}
	var report struct {
		Findings []struct{ Weight, Where, What string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		j.t.Errorf("%s: %v: %s", what, err, out)
		return
	}
	text := ""
	for _, f := range report.Findings {
		if f.Weight != "note" {
			text += f.Where + ": " + f.What + "\n"
		}
	}
	for _, n := range names {
		if strings.Contains(text, n) {
			return
		}
	}
	j.unnamed++
	if j.unnamed < 20 {
		j.t.Errorf("%s: found, and none of %q named: %s", what, names, indent(text))
	}
}

// spoil changes one file of a folder in many ways, and takes it away.
func (j *tamperJudge) spoil(dir, name string) error {
	path := filepath.Join(dir, name)
	whole, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	names := namesOf(name)
	put := func(b []byte) error { return os.WriteFile(path, b, info.Mode().Perm()) }
	for _, at := range sample(len(whole)) {
		b := []byte(string(whole))
		b[at] ^= 1 << rand.IntN(8)
		if err := put(b); err != nil {
			return err
		}
		j.check(dir, name+" flipped at "+itoa(at)+" of "+itoa(len(whole)), names...)
	}
	for range len(sample(len(whole))) / 4 {
		n := rand.IntN(len(whole))
		if err := put(whole[:n]); err != nil {
			return err
		}
		j.check(dir, name+" cut to "+itoa(n)+" of "+itoa(len(whole)), names...)
	}
	if err := put(append([]byte(string(whole)), '\n')); err != nil {
		return err
	}
	j.check(dir, name+" with a byte more", names...)
	if err := os.Remove(path); err != nil {
		return err
	}
	j.check(dir, name+" missing", names...)
	if err := put(whole); err != nil {
		return err
	}
	extra := filepath.Join(filepath.Dir(path), "extra-file")
	if err := os.WriteFile(extra, []byte("hello"), 0o600); err != nil {
		return err
	}
	if judged(strings.TrimPrefix(extra, dir+"/")) {
		j.check(dir, "an extra file beside "+name, "extra-file")
	}
	return os.Remove(extra)
}

// sample is 40 places of a file, 8 beside the race detector's load, and every
// byte of a small file when soaking.
func sample(size int) []int {
	n := min(size, 40)
	switch {
	case os.Getenv("SOAK_ROUNDS") != "" && size <= 2048:
		n = size
	case raceEnabled:
		n = min(size, 8)
	}
	return rand.Perm(size)[:n]
}

// namesOf are the words by which a finding may name a file: its path or name, a
// document's hash, a recording's session; leaves for the log's own.
func namesOf(name string) []string {
	base := filepath.Base(name)
	names := []string{name, base}
	switch {
	case strings.HasPrefix(name, "recordings/"):
		names = append(names, filepath.Base(filepath.Dir(name)))
	case strings.HasPrefix(name, "log/"):
		names = append(names, "leaf", "checkpoint")
	}
	return names
}

// swaps exchanges each two files of one kind.
func (j *tamperJudge) swaps(data string, files []string) error {
	kinds := map[string][]string{}
	for _, f := range files {
		kind := strings.SplitN(f, "/", 2)[0]
		if kind == "recordings" {
			kind += "/" + filepath.Base(f)
		}
		if kind != "log" {
			kinds[kind] = append(kinds[kind], f)
		}
	}
	for _, list := range kinds {
		for i := 1; i < len(list); i++ {
			a, b := filepath.Join(data, list[i-1]), filepath.Join(data, list[i])
			if err := swap(a, b); err != nil {
				return err
			}
			j.check(data, list[i-1]+" and "+list[i]+" swapped", append(namesOf(list[i-1]), namesOf(list[i])...)...)
			if err := swap(a, b); err != nil {
				return err
			}
		}
	}
	days, err := filepath.Glob(filepath.Join(data, "recordings", "*", "*", "*", "S-*"))
	if err != nil {
		return err
	}
	for i := 1; i < len(days); i++ {
		if err := swap(days[i-1], days[i]); err != nil {
			return err
		}
		j.check(data, "two recordings swapped", filepath.Base(days[i-1]), filepath.Base(days[i]))
		if err := swap(days[i-1], days[i]); err != nil {
			return err
		}
	}
	return nil
}

func swap(a, b string) error {
	for _, m := range [][2]string{{a, a + ".swap"}, {b, a}, {a + ".swap", b}} {
		if err := os.Rename(m[0], m[1]); err != nil {
			return err
		}
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
