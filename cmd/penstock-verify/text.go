package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"penstock/approvals/dossier"
	"penstock/audit/verify"
)

// printText says what is proved, by what, and what is not.
func printText(w io.Writer, dir string, t verify.Trust, r verify.Report) error {
	var b strings.Builder
	wrong, notes := 0, 0
	for _, f := range r.Findings {
		if f.Weight == verify.Wrong {
			wrong++
		} else if !limit(f) {
			notes++
		}
	}
	if wrong > 0 {
		first := firstWrong(r)
		fmt.Fprintf(&b, "NOT PROVED. %s: %s\n%s wrong in %s:\n", visible(first.Where), visible(first.What), things(wrong), visible(dir))
		wrongs(&b, r)
	} else {
		fmt.Fprintf(&b, "Proved, as far as this goes: %s\n", visible(dir))
		proved(&b, t, r)
	}
	if notes > 0 {
		fmt.Fprintf(&b, "\nTo be known:\n")
		list(&b, r, verify.Note)
	}
	unproved(&b, t, r)
	_, err := io.WriteString(w, b.String())
	return err
}

// firstWrong stands in the first line: what was found first is seldom what follows from something else.
func firstWrong(r verify.Report) verify.Finding {
	return r.Findings[slices.IndexFunc(r.Findings, func(f verify.Finding) bool { return f.Weight == verify.Wrong })]
}

func things(n int) string {
	if n == 1 {
		return "1 thing is"
	}
	return fmt.Sprintf("%d things are", n)
}

// mostAfter is how many findings are shown after the first of one place: what
// follows from one flipped byte must not hide what is wrong elsewhere.
const mostAfter = 3

// wrongs lists what is wrong by the place where it was found: the first of each
// log, recording or document in full view, what follows there indented below it.
func wrongs(b *strings.Builder, r verify.Report) {
	var order []string
	at := map[string][]string{}
	for _, f := range r.Findings {
		line := visible(f.Where) + ": " + visible(f.What)
		p := place(f.Where)
		if f.Weight != verify.Wrong || slices.Contains(at[p], line) {
			continue
		}
		if at[p] == nil {
			order = append(order, p)
		}
		at[p] = append(at[p], line)
	}
	for _, p := range order {
		first, rest := at[p][0], at[p][1:]
		fmt.Fprintf(b, "  %s\n", first)
		for i, line := range rest {
			if i == mostAfter {
				fmt.Fprintf(b, "      and %d more there; --json shows all\n", len(rest)-i)
				break
			}
			fmt.Fprintf(b, "      %s\n", line)
		}
	}
}

// place is what a finding is about: one recording, the log, or the file itself.
func place(where string) string {
	path, _, _ := strings.Cut(where, " ")
	parts := strings.Split(path, "/")
	switch {
	case parts[0] == "recordings" && len(parts) > 5: // recordings/2026/11/21/S-1/…
		return strings.Join(parts[:5], "/")
	case parts[0] == "log":
		return "log"
	}
	return path
}

// limit says whether a note is among what is not proved anyway, so that a check
// of a sound folder fits a screen.
func limit(f verify.Finding) bool {
	return f.Weight == verify.Note && (strings.HasPrefix(f.What, "no outside checkpoint was given") || strings.HasPrefix(f.What, "the log's key came from"))
}

func list(b *strings.Builder, r verify.Report, weight verify.Weight) {
	for _, f := range r.Findings {
		if f.Weight == weight && !limit(f) {
			fmt.Fprintf(b, "  %s: %s\n", visible(f.Where), visible(f.What))
		}
	}
}

// line is one thing that is proved, and by what.
type line struct{ what, by string }

// leavesLine says of a log that it is whole, of a pack that each of its leaves is in it.
func leavesLine(t verify.Trust, r verify.Report) line {
	by := "by the key that lies beside it"
	if t.LogKey != "" {
		by = "by the key that you gave"
	}
	if r.Leaves < int64(r.Size) { // an evidence pack
		return line{"events", fmt.Sprintf("%d leaves of %s, each proved under its checkpoint of %d, which is signed %s", r.Leaves, r.Origin, r.Size, by)}
	}
	return line{"log", fmt.Sprintf("%d leaves of %s, whole and in order; the first %d are signed %s", r.Leaves, r.Origin, r.Size, by)}
}

func proofs(t verify.Trust, r verify.Report) (lines []line) {
	lines = append(lines, leavesLine(t, r))
	if r.Outside > 0 || len(r.Stretches) > 0 {
		text := fmt.Sprintf("it continues %s from outside", count(int64(max(r.Outside, len(r.Stretches))), "checkpoint", "checkpoints"))
		for _, s := range r.Stretches {
			text += fmt.Sprintf("\nleaves %d to %d: %s", s.From, s.To-1, strings.Join(s.By, "; "))
		}
		lines = append(lines, line{"outside", text})
	}
	if r.Receipts > 0 {
		lines = append(lines, line{"receipts", fmt.Sprintf("it holds what %s that you gave names", count(int64(r.Receipts), "receipt", "receipts"))})
	}
	return append(lines,
		line{"documents", fmt.Sprintf("%d, each the one that a leaf names", r.Documents)},
		line{"windows", fmt.Sprintf("%d, each agreed by those who had to, by the plant file in force; opened, extended and ended as the rules say", r.Windows)},
		line{"recordings", fmt.Sprintf("%d, each whole and the one that the log committed to; what %d of them hold was opened and read", r.Recordings, r.Opened)})
}

func proved(b *strings.Builder, t verify.Trust, r verify.Report) {
	for _, l := range proofs(t, r) {
		for i, text := range strings.Split(l.by, "\n") {
			name := l.what
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(b, "  %-10s  %s\n", name, visible(text))
		}
	}
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "the " + one
	}
	return fmt.Sprintf("the %d %s", n, many)
}

// limits are what no log can prove alone.
func limits(t verify.Trust, r verify.Report) (list []string) {
	if r.Outside == 0 && len(r.Stretches) == 0 {
		list = append(list, "that nobody with the broker's key has written all of it anew: compare with a checkpoint that was kept elsewhere (--checkpoint)")
	} else {
		list = append(list, "what came after the newest checkpoint from outside, against somebody with the broker's key")
	}
	if t.LogKey == "" {
		list = append(list, "that the log's key is this broker's: give it from where you keep it (--key)")
	}
	if r.Windows > 0 {
		list = append(list, "an answer by a code is the server's word that the person was there; one signed by a key is the person's own, but what the page showed them is not known here (its eight words were there to compare)")
	}
	return append(list,
		"who read a recording offline: whoever holds an auditor's key and a copy can, and no log sees it",
		"what a target did, what reached it by another way, and what state.db and the pages show: they are made from the log")
}

func unproved(b *strings.Builder, t verify.Trust, r verify.Report) {
	b.WriteString("Not proved by this:\n")
	for _, l := range limits(t, r) {
		fmt.Fprintf(b, "  %s\n", l)
	}
}

// visible makes somebody's text safe for a terminal.
func visible(s string) string { return dossier.Visible(s) }
