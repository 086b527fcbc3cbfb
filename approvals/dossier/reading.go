package dossier

import (
	"context"
	"io"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
)

// Reading judges leaves (evidence.Walk) and tells their story in one go: what
// audit/verify and audit/pack are given.
type Reading struct {
	*evidence.Walk
	book *Book
	only string
}

// Read begins before leaf 0; only names the one window to tell, empty: all.
func Read(docs evidence.Documents, only string) *Reading {
	return &Reading{evidence.NewWalk(docs), New(docs, only), only}
}

// Leaf judges the next leaf, and tells it.
func (r *Reading) Leaf(ctx context.Context, l audit.Leaf) []string {
	r.book.Leaf(ctx, l)
	return r.Walk.Leaf(ctx, l)
}

// Page is the story so far, with nothing said of proof.
func (r *Reading) Page(title string) Page {
	return Page{Title: title, Windows: r.book.Windows(), Dropped: r.book.Dropped}
}

// Zone is the plant's, by the newest plant file.
func (r *Reading) Zone() *time.Location { return zoneOf(r.book.plant) }

// index is what lies in an evidence pack to be read.
func (r *Reading) index() Page {
	p := r.Page("Evidence of " + r.only)
	p.Not = []string{"This page was made by the broker and proves nothing by itself. penstock-verify PACK.zip --key LOG-KEY checks all of the pack without the broker, makes this page anew, and says what is proved."}
	return p
}

// HTML writes the pack's page.
func (r *Reading) HTML(w io.Writer) error { return r.index().HTML(w) }

// Text writes the pack's page without a browser.
func (r *Reading) Text(w io.Writer) error { return r.index().Text(w) }
