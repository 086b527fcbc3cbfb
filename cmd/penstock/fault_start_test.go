package main

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"penstock/approvals/state"
	"penstock/approvals/state/bolt"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/receipt"
)

// secondServer: one data directory has one server.
func secondServer(t *testing.T, golden *rig) {
	r := golden.copy(t)
	first := r.start()
	r.trust()
	r.fails("another (Penstock )?server")
	r.broker = first
	r.talk("ann", r.ssh("desk", "windows")...)
	// Nor does a server with other data take the socket of one that runs.
	other := golden.copy(t)
	other.edit("penstock.yaml", "loopback_targets: true", "loopback_targets: true\nsocket: "+r.path("data", "penstock.sock"))
	other.fails("answers on .*penstock.sock")
	r.talk("mia", "penstock", "windows")
	r.stop()
	r.proved()
}

// brokenKeys: a key that others can read, or that is none, stops the start.
func brokenKeys(t *testing.T, golden *rig) {
	r := golden.copy(t)
	r.bin = buildFast(t) // it starts some sixty times, and nobody comes
	keys := r.path("data", "keys")
	r.must(os.Chmod(keys, 0o750))
	r.fails("can be read by others")
	r.must(os.Chmod(keys, 0o700))
	files, err := os.ReadDir(keys)
	r.must(err)
	for _, f := range files {
		path := filepath.Join(keys, f.Name())
		text, err := os.ReadFile(path)
		r.must(err)
		if filepath.Ext(path) != ".pub" {
			r.must(os.Chmod(path, 0o640))
			r.fails(regexp.QuoteMeta(f.Name()) + " can be read by others")
			r.must(os.Chmod(path, 0o600))
		}
		secret := strings.TrimSpace(string(text))
		for what, bad := range map[string]string{"garbage": "not a key\n", "empty": "", "half": string(text[:len(text)/2])} {
			r.must(os.WriteFile(path, []byte(bad), 0o600))
			b := r.launch()
			if b.up() {
				t.Errorf("%s %s, and the broker came up", f.Name(), what)
			}
			r.end(syscall.SIGTERM)
			said := b.errs.String()
			if !strings.Contains(said, f.Name()) {
				t.Errorf("%s %s: the message does not name it\n%s", f.Name(), what, r.log())
			}
			if filepath.Ext(path) != ".pub" && len(bad) > 20 && strings.Contains(said, bad[len(bad)-20:]) || strings.Contains(said, secret) && filepath.Ext(path) != ".pub" {
				t.Errorf("%s: the message shows the key", f.Name())
			}
		}
		r.must(os.Remove(path))
		b := r.launch()
		if f.Name() == receipt.PubFile { // made again from the private key, and from the log
			if !b.up() {
				t.Errorf("%s is missing, and the broker did not make it again\n%s", f.Name(), r.log())
			}
			r.end(syscall.SIGTERM)
			if again, err := os.ReadFile(path); err != nil || string(again) != string(text) {
				t.Errorf("%s was made again otherwise: %v %s", f.Name(), err, again)
			}
			continue
		}
		if b.up() {
			t.Errorf("%s is missing from a log that exists, and the broker came up", f.Name())
		}
		r.end(syscall.SIGTERM)
		if !strings.Contains(b.errs.String(), strings.TrimSuffix(f.Name(), ".pub")) {
			t.Errorf("%s is missing: the message does not name it\n%s", f.Name(), r.log())
		}
		r.must(os.WriteFile(path, text, 0o600))
	}
	r.start()
	r.stop()
	r.proved()
}

// brokenRows: state.db is an index; whatever is done to it opens nothing, is
// told, and is mended.
func brokenRows(t *testing.T, golden *rig) {
	r := golden.copy(t)
	r.start()
	r.trust()
	r.aim()
	r.talk("ann", r.ann("true")...)
	r.talk("mia", "penstock", "end", "W-1", "--why", "Done")
	r.stop()
	db := r.path("data", "state.db")
	truth := r.rows()

	r.must(os.Remove(db))
	r.start()
	r.noGain()
	r.stop()
	r.sameRows("deleted", truth, nil)

	text, err := os.ReadFile(db)
	r.must(err)
	for what, bad := range map[string][]byte{
		"garbage": []byte(strings.Repeat("no rows here\n", 4000)), "empty": {}, "half": text[:len(text)/2], "zeroed": make([]byte, len(text)),
	} {
		r.must(os.WriteFile(db, bad, 0o600))
		r.start()
		if what != "empty" {
			r.said("state.db")
		}
		r.noGain()
		r.stop()
		r.sameRows(what, truth, nil)
		r.proved()
	}
	for what, edit := range map[string]func(map[string]state.Row){
		"ended to open": func(rows map[string]state.Row) {
			w := rows["window/W-1"]
			w.Value = []byte(strings.Replace(string(w.Value), `"ended"`, `"open"`, 1))
			rows["window/W-1"] = w
		},
		"until moved": func(rows map[string]state.Row) {
			w := rows["window/W-1"]
			w.Value = regexp.MustCompile(`"(until|to|end|ends)":"20`).ReplaceAll([]byte(strings.Replace(string(w.Value), `"ended"`, `"open"`, 1)), []byte(`"$1":"21`))
			rows["window/W-1"] = w
		},
		"window added": func(rows map[string]state.Row) {
			w := rows["window/W-1"]
			w.Key, w.Value = "window/W-9", []byte(strings.NewReplacer(`"ended"`, `"open"`, "W-1", "W-9").Replace(string(w.Value)))
			rows[w.Key] = w
		},
		"certificate added": func(rows map[string]state.Row) {
			for key, row := range rows {
				if strings.HasPrefix(key, "cert/") {
					row.Key += "9"
					rows[row.Key] = row
					return
				}
			}
		},
		"role given": func(rows map[string]state.Row) {
			p := rows["person/ann"]
			p.Value = []byte(strings.Replace(string(p.Value), `"krall"`, `"fjord"`, 1))
			rows["person/ann"] = p
		},
	} {
		rows := maps.Clone(truth)
		edit(rows)
		if !r.writeRows(truth, rows) {
			t.Fatalf("%s: nothing was edited; rows are %v", what, keysOf(truth))
		}
		r.start()
		if !strings.Contains(r.broker.errs.String(), "a row was not what the log says") {
			t.Errorf("%s: no alarm\n%s", what, r.log())
		}
		r.noGain()
		r.stop()
		r.sameRows(what, truth, rows)
	}
	r.proved()
}

// noGain checks that ann's ended window lets nobody in.
func (r *rig) noGain() {
	r.t.Helper()
	r.refused(".", "ann", r.ann("true")...)
}

func keysOf(rows map[string]state.Row) (keys []string) {
	for k := range rows {
		keys = append(keys, k)
	}
	return keys
}

// rows reads state.db as it lies there.
func (r *rig) rows() map[string]state.Row {
	r.t.Helper()
	s, err := bolt.Open(r.path("data", "state.db"))
	r.must(err)
	defer s.Close()
	all := map[string]state.Row{}
	for row, err := range s.List(context.Background(), "") {
		r.must(err)
		all[row.Key] = row
	}
	return all
}

// writeRows edits state.db by hand, around every rule; it says whether anything changed.
func (r *rig) writeRows(old, rows map[string]state.Row) (changed bool) {
	r.t.Helper()
	s, err := bolt.Open(r.path("data", "state.db"))
	r.must(err)
	defer s.Close()
	at, err := s.Applied(context.Background(), "a")
	r.must(err)
	for key, row := range rows {
		if !row.Equal(old[key]) {
			changed = true
			r.must(s.Mend(context.Background(), "a", at, []state.Row{row}))
		}
	}
	return changed
}

// sameRows compares the rows with the truth, and wants none of those that were
// written by hand. Codes and host certificates are made anew in each life.
func (r *rig) sameRows(what string, truth, written map[string]state.Row) {
	r.t.Helper()
	have := r.rows()
	for key, want := range truth {
		if !strings.HasPrefix(key, "spent/") && !have[key].Equal(want) {
			r.t.Errorf("%s: row %s was not mended:\n%s\n%s", what, key, have[key].Value, want.Value)
		}
	}
	for key := range written {
		if _, real := truth[key]; !real && have[key].Value != nil {
			r.t.Errorf("%s: row %s is left", what, key)
		}
	}
	for key := range have {
		if _, real := truth[key]; !real && !strings.HasPrefix(key, "spent/") && !strings.HasPrefix(key, "cert/") {
			r.t.Errorf("%s: row %s came from nowhere", what, key)
		}
	}
}

// brokenPlantFile at the start and at SIGHUP.
func brokenPlantFile(t *testing.T, golden *rig) {
	r := golden.copy(t)
	good, err := os.ReadFile(r.path("plant.yaml"))
	r.must(err)
	put := func(text string) { r.must(os.WriteFile(r.path("plant.yaml"), []byte(text), 0o600)) }
	bad := strings.NewReplacer("zone: line-1", "zone: line-9", "level: 1", "level: one", "carries: [ssh]", "carries: [ssh]\n    carries: [vnc]").Replace(string(good))
	put(bad)
	r.fails(`(?s)plant.yaml:\d+:\d+.*plant.yaml:\d+:\d+.*plant.yaml:\d+:\d+`)
	put(string(good))
	r.start()
	r.trust()
	r.aim()
	s := r.push("plant")
	r.must(s.flows(1000))
	leaves := len(r.leaves())

	put(bad)
	r.must(r.broker.cmd.Process.Signal(syscall.SIGHUP))
	r.said(`(?s)nothing was reloaded.*plant.yaml:\d+:\d+`)
	r.goesOn(s)
	put(strings.Replace(string(good), "id: kiel", "id: husum", 1))
	r.must(r.broker.cmd.Process.Signal(syscall.SIGHUP))
	r.said(`another plant is another broker`)
	r.goesOn(s)
	for _, leaf := range r.leaves()[leaves:] {
		if leaf.Body.Type() == "config.changed" {
			t.Errorf("a refused plant file is in the log: leaf %s", leaf.Place())
		}
	}

	put(strings.Replace(string(good), "carries: [ssh]", "carries: [vnc]", 1))
	begin := time.Now()
	r.must(r.broker.cmd.Process.Signal(syscall.SIGHUP))
	select {
	case <-s.sent:
	case <-time.After(patience):
		t.Fatalf("the session goes on without a conduit\n%s", r.log())
	}
	took := time.Since(begin)
	r.must(s.over())
	if said := s.errs.String(); !regexp.MustCompile(`(?i)conduit|way|plant|path`).MatchString(said) {
		t.Errorf("the vendor was not told why: %q", said)
	}
	r.noGain()
	r.stop()
	ended := r.endOf(t)
	t.Logf("ended %v after SIGHUP as the vendor sees it (with ssh's end); %s", took, ended)
	if took > 10*time.Second { // the promise is 1 s, held in broker; the rest is reading the file, the event and ssh on a slow machine
		t.Errorf("the session ended %v after SIGHUP", took)
	}
	r.proved()
	r.recorded(s)

	// Another site at the start is another broker's data.
	put(strings.Replace(string(good), "id: kiel", "id: husum", 1))
	r.fails("husum|another plant")
}

func (r *rig) goesOn(s *stream) {
	r.t.Helper()
	before, err := os.Stat(s.file)
	r.must(err)
	r.must(s.flows(before.Size() + 1000))
	select {
	case <-s.sent:
		r.t.Errorf("the session ended: %s\n%s", s.errs, r.log())
	default:
	}
}

// endOf is how the last channel's end is written.
func (r *rig) endOf(t *testing.T) string {
	var last string
	for _, leaf := range r.leaves() {
		if leaf.Body.Type() == "channel.closed" {
			b, err := json.Marshal(leaf.Body)
			if err != nil {
				t.Fatal(err)
			}
			last = leaf.Wall.Format(time.RFC3339Nano) + " " + string(b)
		}
	}
	return last
}

// brokenBootstrap: the file of the first people counts once, and says so.
func brokenBootstrap(t *testing.T, golden *rig) {
	r := golden.copy(t)
	good, err := os.ReadFile(r.path("bootstrap.yaml"))
	r.must(err)
	r.must(os.Rename(r.path("data"), r.path("kept")))
	r.must(os.Remove(r.path("bootstrap.yaml")))
	r.fails("first people")
	r.must(os.WriteFile(r.path("bootstrap.yaml"), []byte(strings.Replace(string(good), "firm: fjord", "firm: nobody", 1)), 0o600))
	r.fails(`bootstrap.yaml:\d+:\d+`)
	r.must(os.WriteFile(r.path("bootstrap.yaml"), good, 0o600))
	r.edit("penstock.yaml", "bootstrap: bootstrap.yaml\n", "")
	r.fails("names no file with the first people")
	r.edit("penstock.yaml", "plant: plant.yaml\n", "plant: plant.yaml\nbootstrap: bootstrap.yaml\n")
	r.start() // whatever the failed starts left is no obstacle
	r.stop()
	r.proved()

	r.must(os.RemoveAll(r.path("data")))
	r.must(os.Rename(r.path("kept"), r.path("data")))
	r.start()
	if strings.Contains(r.broker.errs.String(), "first people") {
		t.Errorf("an unchanged file is worth no line\n%s", r.log())
	}
	r.stop()
	r.must(os.WriteFile(r.path("bootstrap.yaml"), append(good, "  eve: {name: Eve, firm: fjord, roles: [shift], key: ssh-ed25519 AAAA}\n"...), 0o600))
	r.start()
	r.said(`the file of the first people.*counts only for a new log`)
	r.stop()
	r.must(os.Remove(r.path("bootstrap.yaml")))
	r.start()
	r.stop()
	r.proved()
}

// tornFirstLeaf: a kill in the very first write of a log leaves a log that the
// next start still begins with its first people.
func tornFirstLeaf(t *testing.T, golden *rig) {
	r := golden.copy(t)
	r.must(os.RemoveAll(r.path("data", "documents")))
	r.must(os.RemoveAll(r.path("data", "state.db")))
	segments, err := filepath.Glob(r.path("data", "log", "entries", "*"))
	r.must(err)
	whole, err := os.ReadFile(segments[0])
	r.must(err)
	r.must(os.RemoveAll(r.path("data", "log")))
	r.must(os.RemoveAll(r.path("data", "recordings")))
	// A log that was made and has no leaf: as OpenLog leaves it.
	r.newLog(audit.SystemClock(), 0)
	segments, err = filepath.Glob(r.path("data", "log", "entries", "*"))
	r.must(err)
	r.must(os.WriteFile(segments[0], whole[:200], 0o600))
	r.start()
	r.trust()
	r.stop()
	first := r.leaves()[0]
	if first.Body.Type() != "log.created" {
		t.Errorf("the first leaf is %s", first.Body.Type())
	}
	r.proved()
}

// newLog opens the rig's log with a clock and appends n events that keep no state.
func (r *rig) newLog(clock audit.Clock, n int) {
	r.t.Helper()
	disk, err := durable.OpenDisk(r.path("data"))
	r.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- disk.Run(ctx) }()
	var signer note.Signer
	signer, _, err = audit.LogKeys(r.path("data", "keys"), "kiel/penstock/audit/a")
	r.must(err)
	l, err := audit.OpenLog(r.path("data", "log"), disk, audit.Options{Origin: "kiel/penstock/audit/a", Node: "a", Signer: signer, Clock: clock})
	r.must(err)
	errs := make(chan error, 256)
	for begun := 0; begun < n; {
		batch := min(cap(errs), n-begun)
		for range batch {
			go func() {
				_, err := l.Append(ctx, audit.Event{Subject: "mallory", Actor: "penstock",
					Body: audit.LoginRefused{Name: "mallory", Source: "127.0.0.1", Why: "an unknown key"}})
				errs <- err
			}()
		}
		for range batch {
			r.must(<-errs)
		}
		begun += batch
	}
	r.must(l.Close())
	cancel()
	<-done
}

// coldStart measures a start on a log of 50 000 leaves.
func coldStart(t *testing.T, golden *rig) {
	r := golden.copy(t)
	r.bin = buildFast(t) // what is measured is what is shipped
	leaves := 50_000
	if raceEnabled { // the race detector is in this process, which makes them
		leaves = 5_000
	}
	r.newLog(audit.SystemClock(), leaves)
	begin := time.Now()
	r.start()
	t.Logf("ready %v after the start on a log of %d leaves", time.Since(begin).Round(time.Millisecond), leaves)
	r.stop()
	begin = time.Now()
	r.proved()
	t.Logf("verified in %v", time.Since(begin).Round(time.Millisecond))
	r.must(os.Remove(r.path("data", "state.db")))
	begin = time.Now()
	r.start()
	t.Logf("ready %v after the start without state.db", time.Since(begin).Round(time.Millisecond))
	r.stop()
}
