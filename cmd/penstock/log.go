package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"penstock/audit"
	"penstock/audit/receipt"
	"penstock/broker/api"
)

// logCommand reads the log of a data directory, with or without a server on it.
func logCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "log",
		Short: "Read and check the log of a data directory, without a server",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(logTail(), logVerify(), logProof(), logCheckpoint())
	return c
}

// openLogReader opens DIR/log with the key in DIR/keys/log.pub.
func openLogReader(dir string) (*audit.Reader, error) {
	v, err := audit.LogVerifier(filepath.Join(dir, "keys"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: is %s a data directory?", err, dir)
	}
	if err != nil {
		return nil, err
	}
	return audit.OpenReader(filepath.Join(dir, "log"), v)
}

func logTail() *cobra.Command {
	var o tailOptions
	c := &cobra.Command{
		Use:   "tail DIR",
		Short: "Show the newest leaves",
		Args:  exactly(1, "the data directory"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.count < 0 {
				return exit{exitUsage, errors.New("-n is a number of leaves, 0 or more")}
			}
			o.dir, o.out, o.errs = args[0], c.OutOrStdout(), c.ErrOrStderr()
			return o.run(c.Context())
		},
	}
	c.Flags().IntVarP(&o.count, "lines", "n", 20, "how many leaves")
	c.Flags().BoolVar(&o.json, "json", false, "the canonical leaves, one on a line")
	c.Flags().BoolVar(&o.follow, "follow", false, "go on with what comes, until interrupted")
	return c
}

type tailOptions struct {
	dir       string
	count     int
	json      bool
	follow    bool
	out, errs io.Writer
}

// followEvery is how often another process's log is looked at.
const followEvery = 500 * time.Millisecond

func (o tailOptions) run(ctx context.Context) error {
	r, err := openLogReader(o.dir)
	if err != nil {
		return err
	}
	if p := r.Problem(); p != nil {
		fmt.Fprintln(o.errs, visible(p.Error()))
	}
	size, err := r.End(ctx)
	if err != nil {
		return err
	}
	next, damaged, err := o.show(ctx, r, size-min(size, audit.Index(o.count)))
	for err == nil && o.follow {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
		if r, err = openLogReader(o.dir); err == nil {
			next, _, err = o.show(ctx, r, next)
		}
	}
	if o.follow && ctx.Err() != nil {
		return nil
	}
	if err == nil && (damaged || r.Problem() != nil) {
		err = exit{exitNo, errors.New("the log is damaged; penstock log verify says all of it")}
	}
	return err
}

// show prints leaves from one on; next is the one after the last.
func (o tailOptions) show(ctx context.Context, r *audit.Reader, from audit.Index) (next audit.Index, damaged bool, err error) {
	next = from
	for leaf, err := range r.From(ctx, from) {
		if d, ok := errors.AsType[*audit.Damage](err); ok {
			fmt.Fprintln(o.errs, visible(d.Error()))
			damaged = true
			continue
		}
		if err != nil {
			return next, damaged, err
		}
		if err := o.print(leaf); err != nil {
			return next, damaged, err
		}
		next = leaf.Index + 1
	}
	return next, damaged, nil
}

func (o tailOptions) print(l audit.Leaf) error {
	b, err := l.Canonical()
	if err != nil {
		return err
	}
	if !o.json {
		b = []byte(leafLine(l))
	}
	_, err = fmt.Fprintf(o.out, "%s\n", visible(string(b)))
	return err
}

// leafLine is local time with its zone, index, type, subject, actor, body.
func leafLine(l audit.Leaf) string {
	body, err := audit.Canonical(l.Body)
	if err != nil {
		body = []byte(err.Error())
	}
	const most = 400
	text := []rune(string(body))
	if len(text) > most {
		text = append(text[:most], []rune(" …")...)
	}
	return fmt.Sprintf("%s  %d  %s  %s  by %s  %s", l.Wall.Local().Format("2006-01-02 15:04:05.000 MST"), l.Index,
		l.Body.Type(), cmp.Or(l.Subject, "-"), cmp.Or(l.Actor, "-"), string(text))
}

// visible writes what a terminal would obey, or would show in another
// order, as \uXXXX: controls, formats (bidi among them), private and unknown runes.
func visible(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
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

func logVerify() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every leaf, the tree and the signed checkpoints",
		Long: `Check every frame, the canonical form of every leaf, the tree, the signature of the
stored checkpoint, and that the log begins with what each --checkpoint covers.
Only a checkpoint or a receipt that was kept elsewhere shows a log that was made anew.
It looks at the log alone: that windows were agreed as the rules ask, and that
documents and recordings are those the log names, is for penstock-verify DIR.
Exit 0: the log is whole. Exit 3: it is not.`,
		Args: exactly(1, "the data directory"),
		RunE: func(c *cobra.Command, args []string) error {
			o.dir = args[0]
			return o.run(c)
		},
	}
	c.Flags().StringArrayVar(&o.checkpoints, "checkpoint", nil, "file with a checkpoint that was kept elsewhere; may be repeated")
	c.Flags().StringArrayVar(&o.receipts, "receipt", nil, "file with receipts that somebody kept, one on a line; may be repeated")
	c.Flags().StringVar(&o.receiptKeys, "receipt-keys", "", "file with the broker's receipt.pub, from where you keep it; else the keys that the log names")
	c.Flags().BoolVar(&o.json, "json", false, "findings as JSON")
	return c
}

type verifyOptions struct {
	dir         string
	checkpoints []string
	receipts    []string
	receiptKeys string
	json        bool
}

// verified is what log verify says as JSON.
type verified struct {
	Origin   string          `json:"origin"`
	Leaves   uint64          `json:"leaves"`   // read whole
	Covered  uint64          `json:"covered"`  // by the stored checkpoint
	Outside  int             `json:"outside"`  // checkpoints compared
	Receipts int             `json:"receipts"` // held
	Findings []*audit.Damage `json:"findings"`
	Refused  []string        `json:"receipts_not_held,omitempty"`
}

func (o verifyOptions) run(c *cobra.Command) error {
	v, err := audit.LogVerifier(filepath.Join(o.dir, "keys"))
	if err != nil {
		return err
	}
	outside, err := readCheckpoints(o.checkpoints, func(b []byte) (audit.Checkpoint, error) { return audit.ParseCheckpoint(b, v) })
	if err != nil {
		return err
	}
	r, err := openLogReader(o.dir)
	if err != nil {
		return err
	}
	said := verified{Origin: r.Head().Origin, Covered: uint64(r.Size()), Outside: len(outside), Findings: []*audit.Damage{}}
	kept, err := o.hold(c.Context(), r, &said)
	if err != nil {
		return err
	}
	for _, err := range r.All(c.Context(), append(outside, kept...)...) {
		if d, ok := errors.AsType[*audit.Damage](err); ok {
			said.Findings = append(said.Findings, d)
			continue
		}
		if err != nil {
			return err
		}
		said.Leaves++
	}
	if err := said.print(c.OutOrStdout(), o.json); err != nil {
		return err
	}
	if n := len(said.Findings) + len(said.Refused); n > 0 {
		return exit{exitNo, fmt.Errorf("the log is not whole: findings: %d", n)}
	}
	return nil
}

// hold looks for what each receipt names; the trees that they were signed over
// are for the reading of the whole log.
func (o verifyOptions) hold(ctx context.Context, r *audit.Reader, said *verified) (trees []audit.Checkpoint, err error) {
	var keys receipt.Keys
	if o.receiptKeys != "" {
		b, err := os.ReadFile(o.receiptKeys)
		if err != nil {
			return nil, fmt.Errorf("read the keys of receipts: %w", err)
		}
		if keys, err = receipt.ParseKeys(b); err != nil {
			return nil, fmt.Errorf("%s: %w", o.receiptKeys, err)
		}
	}
	var texts [][]byte
	var names []string
	for _, name := range o.receipts {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the receipt: %w", err)
		}
		list := receipt.Split(b)
		if len(list) == 0 {
			return nil, fmt.Errorf("%s holds no receipt", name)
		}
		for i, text := range list {
			texts, names = append(texts, text), append(names, fmt.Sprintf("%s line %d", name, i+1))
		}
	}
	if len(texts) == 0 {
		return nil, nil
	}
	held, err := receipt.Hold(ctx, r, keys, texts...)
	if err != nil {
		return nil, err
	}
	for i, h := range held {
		for _, w := range h.Wrong {
			said.Refused = append(said.Refused, fmt.Sprintf("%s: %s", names[i], w))
		}
		if tree, ok := h.Checkpoint(); ok && len(h.Wrong) == 0 {
			trees = append(trees, tree)
			said.Receipts++
		}
	}
	return trees, nil
}

// readCheckpoints: a file that is no checkpoint of this log is an error, not a finding.
func readCheckpoints(files []string, parse func([]byte) (audit.Checkpoint, error)) (all []audit.Checkpoint, err error) {
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read checkpoint: %w", err)
		}
		notes := audit.FindNotes(b)
		if len(notes) == 0 {
			notes = [][]byte{b} // parse says what is wrong with it
		}
		for _, n := range notes {
			c, err := parse(n)
			if err != nil {
				return nil, exit{exitNo, fmt.Errorf("%s: %w", name, err)}
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func (s verified) print(w io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	for _, d := range s.Findings {
		fmt.Fprintln(w, visible(d.Error()))
	}
	for _, r := range s.Refused {
		fmt.Fprintln(w, visible(r))
	}
	if len(s.Findings)+len(s.Refused) > 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "whole: %s of %s, %d under the stored checkpoint, %s from outside\n",
		count(s.Leaves, "leaf", "leaves"), visible(s.Origin), s.Covered, count(uint64(s.Outside), "checkpoint", "checkpoints"))
	if err == nil && s.Receipts > 0 {
		_, err = fmt.Fprintf(w, "it holds what %s\n", map[bool]string{true: "the receipt names", false: fmt.Sprintf("the %d receipts name", s.Receipts)}[s.Receipts == 1])
	}
	if err == nil && s.Outside+s.Receipts == 0 {
		_, err = fmt.Fprintln(w, "no checkpoint from outside was given: a log made anew with the same key would look the same")
	}
	if err == nil {
		_, err = fmt.Fprintln(w, "only the log was checked, no windows, documents or recordings: penstock-verify checks those")
	}
	return err
}

func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func logProof() *cobra.Command {
	return &cobra.Command{
		Use:   "proof DIR INDEX|S-1",
		Short: "Print the proof that a leaf is in the log (C2SP tlog-proof)",
		Long: `Print the proof that a leaf is in the log (C2SP tlog-proof). For a session the leaves
that name its recording's hashes, session.started and session.ended, one proof after the
other; each begins with its own first line.`,
		Args: exactly(2, "the data directory, and an index or a session"),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := openLogReader(args[0])
			if err != nil {
				return err
			}
			if sessionID.MatchString(args[1]) {
				return proveSession(c, r, args[1])
			}
			at, err := strconv.ParseUint(args[1], 10, 53)
			if err != nil {
				return exit{exitUsage, fmt.Errorf("%q is no index and no session: leaves are counted from 0, sessions are called S-1", printable(args[1]))}
			}
			p, err := r.Proof(c.Context(), audit.Index(at))
			if errors.Is(err, fs.ErrNotExist) {
				return exit{exitNo, err}
			}
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(p.Marshal())
			return err
		},
	}
}

// proveSession proves the leaves that commit to a recording.
func proveSession(c *cobra.Command, r *audit.Reader, session string) error {
	at := map[audit.Index]bool{}
	for leaf, err := range r.From(c.Context(), 0) {
		if err != nil {
			return err
		}
		switch leaf.Body.(type) {
		case audit.SessionStarted, audit.SessionEnded:
			if leaf.Subject == session && leaf.Index < r.Size() {
				at[leaf.Index] = true
			}
		}
	}
	if len(at) == 0 {
		return exit{exitNo, fmt.Errorf("the log knows no session %s", session)}
	}
	for p, err := range r.Proofs(c.Context(), func(i audit.Index) bool { return at[i] }) {
		if err != nil {
			return err
		}
		if _, err := c.OutOrStdout().Write(p.Marshal()); err != nil {
			return err
		}
	}
	return nil
}

func logCheckpoint() *cobra.Command {
	var c caller
	var to string
	cmd := &cobra.Command{
		Use:   "checkpoint [DIR | --as PERSON] [--out FILE]",
		Short: "Print the newest signed checkpoint, to be kept elsewhere",
		Long: `Print the newest signed checkpoint, to be kept where the owner of this machine cannot
reach. With DIR it is read from the data directory, and nobody is told. With --as PERSON
it comes from the running broker: the log says who took it, and until a newer copy is
outside it counts as one, on that person's word.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("%s wants a data directory, or --as PERSON; see %s --help", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := newestCheckpoint(cmd, &c, args)
			if err != nil {
				return err
			}
			return writeOut(cmd.OutOrStdout(), to, bytes.NewReader(b))
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&to, "out", "o", "", "file to write; default: standard output")
	return cmd
}

func newestCheckpoint(cmd *cobra.Command, c *caller, args []string) ([]byte, error) {
	if len(args) == 0 {
		client, err := c.signIn(cmd.Context(), withoutCode)
		if err != nil {
			return nil, err
		}
		var taken api.Checkpoint
		if err := client.Post(cmd.Context(), "/checkpoint", struct{}{}, &taken); err != nil {
			return nil, apiError(err)
		}
		return []byte(taken.Note), nil
	}
	r, err := openLogReader(args[0])
	if err != nil {
		return nil, err
	}
	if p := r.Problem(); p != nil {
		return nil, exit{exitNo, p}
	}
	return r.Checkpoint(), nil
}
