package dossier

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
	"unicode"
)

// Finding is one line that stands first.
type Finding struct{ Where, What string }

// Page is what is shown: the verdict and what it rests on, then the windows.
type Page struct {
	Title   string
	Verdict string // one sentence
	Good    bool
	Wrong   []Finding
	Known   []Finding // to be known, and no fault
	Proved  []Finding // what, and by what
	Not     []string  // what is not proved
	Windows []*Window
	Dropped int // older windows that are left out
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"when": func(t time.Time, z *time.Location) string { return When(t, z) },
	"show": Visible,
}).Parse(pageText))

// HTML writes the page: one file, no script, nothing fetched.
func (p Page) HTML(w io.Writer) error {
	b := bufio.NewWriter(w)
	if err := page.Execute(b, p); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return b.Flush()
}

// Text writes the windows for a reader without a browser.
func (p Page) Text(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n", Visible(p.Title))
	if p.Verdict != "" {
		fmt.Fprintf(b, "%s\n", Visible(p.Verdict))
	}
	for _, f := range p.Wrong {
		fmt.Fprintf(b, "  %s: %s\n", Visible(f.Where), Visible(f.What))
	}
	for _, n := range p.Not {
		fmt.Fprintf(b, "Not proved: %s\n", Visible(n))
	}
	for _, win := range p.Windows {
		fmt.Fprintf(b, "\n%s of %s, for %s: %s\n", Visible(win.ID), Visible(win.Request), Visible(win.Firm), Visible(win.State))
		for _, part := range win.Parts {
			part.text(b, win.Zone)
		}
	}
	if p.Dropped > 0 {
		fmt.Fprintf(b, "\n%d older windows are left out here.\n", p.Dropped)
	}
	return b.Flush()
}

func (p Part) text(b *bufio.Writer, zone *time.Location) {
	if len(p.Rows) == 0 {
		return
	}
	fmt.Fprintf(b, "\n  %s\n", p.Title)
	for _, r := range p.Rows {
		switch {
		case r.At.IsZero():
			fmt.Fprintf(b, "    %s\n", Visible(r.Text))
		default:
			fmt.Fprintf(b, "    %s  leaf %d  %s\n", When(r.At, zone), r.Leaf, Visible(r.Text))
		}
	}
	if p.More > 0 {
		fmt.Fprintf(b, "    and %d more\n", p.More)
	}
}

// Visible writes what a terminal or a page would obey, or would show in another
// order, as \uXXXX: controls, formats (bidi among them), private and unknown runes.
func Visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
