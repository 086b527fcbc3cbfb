package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"penstock/audit"
)

// history is what one pass over the log at start tells: which session ids were
// used, which sessions have ended, which documents are named, and whether a
// clock that stepped back was accepted.
type history struct {
	sessions uint64          // highest number in use
	admitted map[string]bool // sessions with session.started
	ended    map[string]bool
	gone     map[string]bool // sessions whose recording expired or was deleted
	named    map[audit.Hash]bool
	certs    map[string]time.Time // keys that vendors' certificates were given out over, until when
	started  bool                 // once, so all keys were made
	receipts bool                 // the receipts' key too
	readable bool                 // once with readable recordings, so the key to them was made
	plant    audit.Hash           // newest plant file
	trial    string               // the change that brought it and waits to be confirmed; "": none
	server   audit.Hash           // newest penstock.yaml
	first    audit.Hash           // bootstrap file that began the log
	mode     audit.RecordingMode  // of recordings, newest
	clock    clockState
}

func newHistory() *history {
	return &history{admitted: map[string]bool{}, ended: map[string]bool{}, gone: map[string]bool{}, named: map[audit.Hash]bool{}, certs: map[string]time.Time{}, mode: audit.RecordingMode{Mode: modeReadable}}
}

// readHistory folds the whole log.
func readHistory(ctx context.Context, l *audit.Log) (*history, error) {
	h := newHistory()
	for leaf, err := range l.Upto(ctx, 0) {
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if err := h.fold(leaf); err != nil {
			return nil, err
		}
	}
	return h, nil
}

var hashWord = regexp.MustCompile(`"sha256:[0-9a-f]{64}"`)

func (h *history) fold(leaf audit.Leaf) error {
	switch b := leaf.Body.(type) {
	case audit.SessionStarted:
		h.admitted[b.Session] = true
		h.sessions = max(h.sessions, sessionNumber(b.Session))
	case audit.CertIssued:
		if b.CA == "in" && b.Before.After(h.certs[b.Key]) {
			h.certs[b.Key] = b.Before
		}
	case audit.NodeStarted:
		h.started = true
		h.readable = h.readable || h.mode.Mode == modeReadable
		h.receipts = h.receipts || b.Receipts != ""
	case audit.RecordingMode:
		h.mode = b
	case audit.LogCreated:
		h.first = b.Bootstrap
	case audit.SessionEnded:
		h.ended[b.Session] = true
	case audit.RecordingExpired:
		h.gone[b.Session] = true
	case audit.RecordingDeleted:
		h.gone[b.Session] = true
	case audit.ConfigChanged:
		switch b.Kind {
		case "plant":
			h.plant, h.trial = b.Document, ""
			if !b.Back && !b.Confirm.IsZero() {
				h.trial = b.Change
			}
		case "server":
			h.server = b.Document
		}
	}
	if b, ok := leaf.Body.(audit.PlantMoved); ok && b.Change == h.trial {
		h.trial = "" // kept: what goes back is a config.changed
	}
	h.clock.fold(leaf.Body)
	// Whatever looks like a hash in a body keeps its document: sweeping too
	// little costs space, sweeping too much costs evidence.
	body, err := json.Marshal(leaf.Body)
	if err != nil {
		return fmt.Errorf("leaf %s: %w", leaf.Place(), err)
	}
	for _, m := range hashWord.FindAllString(string(body), -1) {
		hash, err := audit.ParseHash(strings.Trim(m, `"`))
		if err != nil {
			return fmt.Errorf("leaf %s: %w", leaf.Place(), err)
		}
		h.named[hash] = true
	}
	return nil
}

// folders counts session ids that a crash left as a folder without an event.
func (h *history) folders(recordings string) error {
	// No pattern: the folder's own path may hold signs that mean something in one.
	err := filepath.WalkDir(recordings, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		if n := sessionNumber(strings.TrimPrefix(e.Name(), ".")); n > 0 {
			h.sessions = max(h.sessions, n)
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list recordings: %w", err)
	}
	return nil
}

func sessionNumber(id string) uint64 {
	digits, ok := strings.CutPrefix(id, "S-")
	n, err := strconv.ParseUint(digits, 10, 63)
	if !ok || err != nil {
		return 0
	}
	return n
}
