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
