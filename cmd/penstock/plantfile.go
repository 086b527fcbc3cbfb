package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"penstock/audit"
	"penstock/policy"
)

// plantFile is one reading of the plant file and all that it names.
type plantFile struct {
	plant *policy.Plant
	hash  audit.Hash // of its bundle, as the log names it
}

// readPlantFile parses path; all problems at once, with places.
func readPlantFile(path string) (plantFile, error) {
	main, files, err := plantTexts(path)
	if err != nil {
		return plantFile{}, err
	}
	p, problems := policy.Parse(main, files)
	if err := problems.Err(); err != nil {
		return plantFile{}, err
	}
	return plantFile{p, audit.HashOf(p.Document())}, nil
}

// plantTexts reads path and the files that it names.
func plantTexts(path string) (string, map[string][]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", nil, fmt.Errorf("read the plant file: %w", err)
	}
	main := filepath.Base(path)
	files := map[string][]byte{main: text}
	names, err := policy.Files(text)
	if err != nil {
		return "", nil, err
	}
	var missing []error
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(path), filepath.FromSlash(name)))
		if err != nil {
			missing = append(missing, fmt.Errorf("read what the plant file names: %w", err))
			continue
		}
		files[name] = b
	}
	return main, files, errors.Join(missing...)
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
