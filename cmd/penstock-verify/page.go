package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"penstock/approvals/dossier"
	"penstock/audit/verify"
)

// pageOf is the report as a page: findings first, then what is proved and what
// is not, then each window's story.
func pageOf(path string, t verify.Trust, r verify.Report, told *dossier.Reading) dossier.Page {
	var p dossier.Page
	if told != nil {
		p = told.Page("")
	}
	p.Title, p.Good = "Check of "+path, r.Proved()
	for _, f := range r.Findings {
		line := dossier.Finding{Where: f.Where, What: f.What}
		if f.Weight == verify.Wrong {
			p.Wrong = append(p.Wrong, line)
		} else {
			p.Known = append(p.Known, line)
		}
	}
	p.Verdict = "Proved, as far as this goes."
	if !p.Good {
		p.Verdict = fmt.Sprintf("NOT PROVED. %s wrong. What stands below is what the record says, not what is proved.", things(len(p.Wrong)))
		p.Not = limits(t, r)
		return p
	}
	for _, l := range proofs(t, r) {
		p.Proved = append(p.Proved, dossier.Finding{Where: l.what, What: strings.ReplaceAll(l.by, "\n", "; ")})
	}
	p.Not = limits(t, r)
	return p
}

// writePage writes a new file, whole or not at all.
func writePage(name string, p dossier.Page) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := errors.Join(p.HTML(f), f.Close()); err != nil {
		os.Remove(name)
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
