package recording

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"penstock/audit/durable"
)

// Piece is a file of a recording, or the beginning of one, for a copy.
type Piece struct {
	Name  string // below the recordings' folder, slash-separated
	Bytes int64
}

// Pieces are what a copy of one session holds. Of one that has ended: all.
// Of one that runs: header, key, and each channel up to its newest head in
// heads (file → head), without close.json: what the log vouches for.
func (a *Archive) Pieces(session string, ended bool, heads map[string]Head) ([]Piece, error) {
	dir, err := a.folder(session)
	if err != nil {
		return nil, err
	}
	below, err := filepath.Rel(a.p.Dir, dir)
	if err != nil {
		return nil, fmt.Errorf("copy the recording of %s: %w", session, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("copy the recording of %s: %w", session, err)
	}
	var all []Piece
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // the reserve, given back meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("copy the recording of %s: %w", session, err)
		}
		if n := wanted(e.Name(), info, ended, heads); n >= 0 {
			all = append(all, Piece{filepath.ToSlash(filepath.Join(below, e.Name())), n})
		}
	}
	return all, nil
}

// wanted is how many bytes of a file a copy holds; -1: the file does not belong in one.
func wanted(name string, info fs.FileInfo, ended bool, heads map[string]Head) int64 {
	if !info.Mode().IsRegular() || name == reserveFile || durable.IsTemporary(name) {
		return -1
	}
	p, isPart := parsePart(name)
	switch {
	case name == headerFile || name == keyFile || ended:
		return info.Size()
	case !isPart:
		return -1 // close.json of a session that ended meanwhile
	}
	if h, ok := heads[name]; ok && !followed(p, heads) {
		return h.Bytes
	}
	if followed(p, heads) {
		return info.Size() // the channel has gone on to another part
	}
	return -1
}

// followed says whether heads name a later part of the same channel.
func followed(p part, heads map[string]Head) bool {
	for name := range heads {
		if q, ok := parsePart(name); ok && q.channel == p.channel && q.kind == p.kind && q.number > p.number {
			return true
		}
	}
	return false
}

// HeadsOf reads the newest head of each file of some sessions from the head
// files in dir, each up to the bytes that upto names (file → bytes).
func HeadsOf(dir string, upto map[string]int64, session func(string) bool) (map[string]map[string]Head, error) {
	newest := map[string]map[string]Head{}
	for _, name := range slices.Sorted(maps.Keys(upto)) {
		if err := headsIn(filepath.Join(dir, name), upto[name], func(h Head) {
			if !session(h.Session) {
				return
			}
			if newest[h.Session] == nil {
				newest[h.Session] = map[string]Head{}
			}
			if h.Seq >= newest[h.Session][h.File].Seq {
				newest[h.Session][h.File] = h
			}
		}); err != nil {
			return nil, fmt.Errorf("read heads: %w", err)
		}
	}
	return newest, nil
}

func headsIn(path string, upto int64, f func(Head)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	in := bufio.NewScanner(io.LimitReader(file, upto))
	in.Buffer(nil, 64<<10)
	for in.Scan() {
		if h, err := ParseHead(in.Bytes()); err == nil { // what a crash left half is passed over
			f(h)
		}
	}
	return in.Err()
}

// AwaitHeads waits until heads that are durable now are committed to the log,
// or until patience has passed: then somewhat less is vouched for.
func (a *Archive) AwaitHeads(done <-chan struct{}, patience time.Duration) {
	begun := time.Now()
	end := time.NewTimer(patience)
	defer end.Stop()
	look := time.NewTicker(headsEvery / 20)
	defer look.Stop()
	for a.Running() > 0 && a.headsAt.Load() <= begun.UnixNano() {
		select {
		case <-look.C:
		case <-end.C:
			return
		case <-done:
			return
		}
	}
}
