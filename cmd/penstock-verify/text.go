package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"penstock/audit/verify"
)

// printText says what is proved, by what, and what is not.
func printText(w io.Writer, dir string, t verify.Trust, r verify.Report) error {
	var b strings.Builder
	wrong, notes := 0, 0
	for _, f := range r.Findings {
		if f.Weight == verify.Wrong {
			wrong++
		} else {
			notes++
		}
	}
	if wrong > 0 {
		fmt.Fprintf(&b, "NOT PROVED. %s wrong in %s:\n", things(wrong), visible(dir))
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

func list(b *strings.Builder, r verify.Report, weight verify.Weight) {
	for _, f := range r.Findings {
		if f.Weight == weight {
			fmt.Fprintf(b, "  %s: %s\n", visible(f.Where), visible(f.What))
		}
	}
}

func proved(b *strings.Builder, t verify.Trust, r verify.Report) {
	by := "by the folder's own key"
	if t.LogKey != "" {
		by = "by the key that you gave"
	}
	fmt.Fprintf(b, "  log         %d leaves of %s, whole and in order; the first %d are signed %s\n", r.Leaves, visible(r.Origin), r.Size, by)
	if r.Outside > 0 {
		fmt.Fprintf(b, "              it continues %s from outside\n", count(int64(r.Outside), "checkpoint", "checkpoints"))
		for _, s := range r.Stretches {
			fmt.Fprintf(b, "              leaves %d to %d: %s\n", s.From, s.To-1, visible(strings.Join(s.By, "; ")))
		}
	}
	if r.Receipts > 0 {
		fmt.Fprintf(b, "              it holds what %s that you gave names\n", count(int64(r.Receipts), "receipt", "receipts"))
	}
	fmt.Fprintf(b, "  documents   %d, each the one that a leaf names\n", r.Documents)
	fmt.Fprintf(b, "  windows     %d, each agreed by those who had to, by the plant file in force; opened, extended and ended as the rules say\n", r.Windows)
	fmt.Fprintf(b, "  recordings  %d, each whole and the one that the log committed to; what %d of them hold was opened and read\n", r.Recordings, r.Opened)
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "the " + one
	}
	return fmt.Sprintf("the %d %s", n, many)
}

// unproved says what no log can prove alone.
func unproved(b *strings.Builder, t verify.Trust, r verify.Report) {
	b.WriteString("\nNot proved by this:\n")
	if r.Outside == 0 {
		b.WriteString("  that nobody with the broker's key has written all of it anew: compare with a checkpoint that was kept elsewhere (--checkpoint)\n")
	} else {
		b.WriteString("  what came after the newest checkpoint from outside, against somebody with the broker's key\n")
	}
	if t.LogKey == "" {
		b.WriteString("  that the log's key is this broker's: give it from where you keep it (--key)\n")
	}
	if r.Windows > 0 {
		b.WriteString("  answers with a code are the server's word that the person was there; only answers signed by a key are the person's own\n")
	}
	b.WriteString("  that a target did what it was told, and that nothing reached it by another way\n")
	b.WriteString("  that state.db and the pages show what the log says: they are made from it\n")
}

// visible writes what a terminal would obey, or would show in another order, as \uXXXX.
func visible(s string) string {
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
