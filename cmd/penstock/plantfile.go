package main

import (
	"context"
	"fmt"

	"penstock/audit"
	"penstock/policy"
)

// plantFile is one reading of the plant file and all that it names.
type plantFile struct {
	plant *policy.Plant
	hash  audit.Hash // of its bundle, as the log names it
}

// readPlantFile parses path and all that it names; all problems at once, with places.
func readPlantFile(path string) (plantFile, error) {
	p, problems, err := readPolicy(path)
	if err == nil {
		err = problems.Err()
	}
	if err != nil {
		return plantFile{}, err
	}
	return plantFile{p, audit.HashOf(p.Document())}, nil
}

// putIntoForce makes the plant file and the server's file part of the record,
// before either counts: document, then event. Nothing is written for what is
// in force already.
func putIntoForce(ctx context.Context, l *audit.Log, docs *audit.Documents, kind string, text []byte, inForce audit.Hash) (audit.Hash, error) {
	hash := audit.HashOf(text)
	if hash == inForce {
		return hash, nil
	}
	if _, err := docs.Put(ctx, text); err != nil {
		return hash, fmt.Errorf("keep the %s file: %w", kind, err)
	}
	_, err := l.Append(ctx, audit.Event{Subject: kind, Actor: "penstock", Body: audit.ConfigChanged{Kind: kind, Document: hash}})
	if err != nil {
		return hash, fmt.Errorf("write that the %s file changed: %w", kind, err)
	}
	return hash, nil
}

// plantOfLog begins with the plant file that the log says is in force, where
// the one on the disk is another and nobody agreed to it. Nobody is kept
// waiting at night because somebody is writing tomorrow's file. Nothing follows
// a change on trial, whatever that says of files: what goes back would be another.
func (h *plantHouse) plantOfLog(ctx context.Context, inForce audit.Hash, trial string) error {
	file := h.inForce.Load()
	if inForce.IsZero() || inForce == file.hash {
		return nil
	}
	b, err := h.docs.Get(ctx, inForce)
	if err != nil {
		return fmt.Errorf("read the plant file in force, %s: %w", inForce, err)
	}
	p, problems := policy.ParseBundle(b)
	if err := problems.Err(); err != nil {
		return fmt.Errorf("this build does not read the plant file in force, %s: start the build that did, and change it there: %w", inForce, err)
	}
	if p.ByFile && trial == "" {
		return nil
	}
	h.slog.Error("the plant file on the disk is not the one in force, and nobody has agreed to it, so it was not taken: propose it (penstock policy propose FILE), or write the one in force to the disk (penstock policy get)",
		"on_disk", file.hash.String(), "in_force", inForce.String(), "on_trial", trial)
	h.inForce.Store(&plantFile{p, inForce})
	return nil
}

// takePlant lets a plant file count whose event is durable, and has every
// session asked about again.
func (h *plantHouse) takePlant(ctx context.Context, p *policy.Plant) {
	f := plantFile{p, audit.HashOf(p.Document())}
	h.inForce.Store(&f)
	h.broker.Recheck(ctx)
	h.slog.Info("the plant file was taken", "plant", f.hash.String())
}
