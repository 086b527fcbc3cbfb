// Command penstock-verify checks a data folder of a broker, or a copy of it,
// offline and without the broker: that the log is whole and continues what was
// kept outside, that these people gave these answers to these requests and were
// the ones who had to, and that the recordings are those that the log committed
// to. It says as plainly what it could not prove.
//
// It writes nothing and opens no connection. It trusts the log's key, the
// checkpoints that it is given, and itself.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"penstock/approvals/dossier"
	"penstock/audit"
	"penstock/audit/pack"
	"penstock/audit/receipt"
	"penstock/audit/recording"
	"penstock/audit/verify"
)

// Exit codes (DESIGN 5.3).
const (
	exitProved = 0
	exitError  = 1 // could not check
	exitUsage  = 2
	exitNo     = 3 // checked, and not proved
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// errNo ends a check that did not prove the folder; what is wrong is printed by then.
var errNo = errors.New("not proved")

// usageError is for words of the call that are off.
type usageError struct{ error }

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	c := command()
	c.SetArgs(args)
	c.SetOut(out)
	c.SetErr(errs)
	err := c.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitProved
	case errors.Is(err, errNo):
		return exitNo
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "penstock-verify: %v\nTry penstock-verify --help.\n", err)
		return exitUsage
	}
	fmt.Fprintf(errs, "penstock-verify: could not check: %s\n", visible(err.Error()))
	return exitError
}

// call is what the words of the call say.
type call struct {
	checkpoints []string
	receipts    []string
	receiptKeys string
	witnesses   []string
	identity    string
	key         string
	json        bool
	html        string
	targetLogs  []string
	targetCA    string
}

func command() *cobra.Command {
	var o call
	c := &cobra.Command{
		Use:   "penstock-verify PATH",
		Short: "Check a broker's data folder, a copy of it, or an evidence pack, without the broker",
		Long: `Check a broker's data folder, or a copy of it, without the broker: the log, the
documents that it names, every window and its answers, and every recording. PATH may
be an evidence pack (penstock evidence), too; give the log's key with --key then.

Exit 0: all of it is proved as far as it says. Exit 3: it is not, and each thing
that is wrong is named. Exit 1: it could not be checked.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("name one data folder, or one evidence pack")}
			}
			return nil
		},
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, args []string) error { return o.run(c, args[0]) },
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c.Flags().StringArrayVar(&o.checkpoints, "checkpoint", nil, "file with checkpoints that were kept outside: one, or a syslog server's file, receipts, what a witness shows; may be repeated")
	c.Flags().StringArrayVar(&o.witnesses, "witness", nil, "verifier key of a witness, or a file that holds it (witness.pub); its signatures then count; may be repeated")
	c.Flags().StringArrayVar(&o.receipts, "receipt", nil, "file with receipts that somebody kept, one on a line; may be repeated")
	c.Flags().StringVar(&o.receiptKeys, "receipt-keys", "", "file with the broker's receipt.pub, from where you keep it; else the keys that the log names")
	c.Flags().StringVar(&o.identity, "identity", "", "file with an age identity (AGE-SECRET-KEY-1…) that opens the recordings")
	c.Flags().StringVar(&o.key, "key", "", "the log's verifier key, or a file that holds it; else the folder's own keys/log.pub")
	c.Flags().StringArrayVar(&o.targetLogs, "target-log", nil, "a target's own log: auth.log, journalctl -o json, or sshd -E; its logins are held to the certificates in the log; may be repeated")
	c.Flags().StringVar(&o.targetCA, "target-ca", "", "file with the CA to targets (a target's TrustedUserCAKeys), for --target-log; else those that known logins show")
	c.Flags().StringVar(&o.html, "html", "", "file for the report as one page that stands alone; it must not be there yet")
	c.Flags().BoolVar(&o.json, "json", false, "the report as JSON")
	return c
}

func (o call) run(c *cobra.Command, path string) error {
	trust, err := o.trust()
	if err != nil {
		return err
	}
	bar := newProgress(c.ErrOrStderr())
	report, told, err := o.check(c.Context(), path, trust, bar.show)
	bar.clear()
	if err != nil {
		return err
	}
	if o.html != "" {
		if err := writePage(o.html, pageOf(path, trust, report, told)); err != nil {
			return err
		}
	}
	if o.json {
		err = printJSON(c.OutOrStdout(), report)
	} else {
		err = printText(c.OutOrStdout(), path, trust, report)
	}
	if err == nil && !report.Proved() {
		err = errNo
	}
	return err
}

// check looks at a data folder, or at an evidence pack where path is a file.
// told is nil where nothing could be told of windows.
func (o call) check(ctx context.Context, path string, trust verify.Trust, show func(done, all int64)) (verify.Report, *dossier.Reading, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		if len(o.targetLogs) > 0 {
			return verify.Report{}, nil, usageError{errors.New("--target-log needs a data folder: a pack has one window's certificates only")}
		}
		r, s, err := pack.Check(ctx, path, trust, func(docs pack.Documents, window string) pack.Story { return dossier.Read(docs, window) }, show)
		told, _ := s.(*dossier.Reading)
		return r, told, err
	}
	told := dossier.Read(verify.NewDocuments(path), "")
	if len(o.targetLogs) == 0 {
		r, err := verify.Dir(ctx, path, trust, told, show)
		return r, told, err
	}
	targets, err := o.targets()
	if err != nil {
		return verify.Report{}, nil, err
	}
	r, err := verify.Dir(ctx, path, trust, both{told, targets}, show)
	if err != nil {
		return r, nil, err
	}
	for _, name := range o.targetLogs {
		f, err := os.Open(name)
		if err != nil {
			return r, nil, fmt.Errorf("read the target's log: %w", err)
		}
		found, err := targets.Compare(name, f, told.Zone())
		f.Close()
		if err != nil {
			return r, nil, err
		}
		r.Findings = append(r.Findings, found...)
	}
	return r, told, nil
}

// What is given to verify knows the plant file's word: without these lines a
// changed signature would only make the verifier ask less.
var _, _ verify.Keeper = (*dossier.Reading)(nil), both{}

// both gives each leaf to the reading and to the comparison with targets.
type both struct {
	*dossier.Reading
	targets *verify.Targets
}

func (b both) Leaf(ctx context.Context, l audit.Leaf) []string {
	b.targets.Leaf(l)
	return b.Reading.Leaf(ctx, l)
}

// targets knows the CA to targets, where it was given.
func (o call) targets() (*verify.Targets, error) {
	t := &verify.Targets{}
	if o.targetCA == "" {
		return t, nil
	}
	b, err := small(o.targetCA)
	for rest := b; err == nil && len(bytes.TrimSpace(rest)) > 0; {
		var k ssh.PublicKey
		if k, _, _, rest, err = ssh.ParseAuthorizedKey(rest); err == nil {
			t.CAs = append(t.CAs, ssh.FingerprintSHA256(k))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the CA to targets: %w", err)
	}
	return t, nil
}

// maxFile bounds the small files that the call names.
const maxFile = 64 << 10

// trust reads what the call brings from elsewhere: all that the data folder is held against.
func (o call) trust() (t verify.Trust, err error) {
	for _, name := range o.checkpoints {
		b, err := limited(name, maxKept)
		if err != nil {
			return t, fmt.Errorf("read the checkpoint: %w", err)
		}
		t.Checkpoints = append(t.Checkpoints, verify.Kept{Name: name, Text: b})
	}
	for _, text := range o.witnesses {
		if b, err := small(text); err == nil {
			text = strings.TrimSpace(string(b))
		}
		w, err := audit.ParseWitnessVerifier(text)
		if err != nil {
			return t, err
		}
		t.Witnesses = append(t.Witnesses, w)
	}
	if t.Receipts, t.ReceiptKeys, err = o.heldReceipts(); err != nil {
		return t, err
	}
	if o.identity != "" {
		b, err := small(o.identity)
		if err != nil {
			return t, fmt.Errorf("read the identity: %w", err)
		}
		if t.Identity, err = recording.IdentityText(b, passphrase(o.identity)); err != nil {
			return t, fmt.Errorf("read the identity: %w", err)
		}
	}
	t.LogKey, err = o.logKey()
	return t, err
}

// heldReceipts are those that people kept, and the keys that may have signed them.
func (o call) heldReceipts() (all [][]byte, keys []byte, err error) {
	for _, name := range o.receipts {
		b, err := small(name)
		if err != nil {
			return nil, nil, fmt.Errorf("read the receipt: %w", err)
		}
		list := receipt.Split(b)
		if len(list) == 0 {
			return nil, nil, fmt.Errorf("%s holds no receipt", name)
		}
		all = append(all, list...)
	}
	if o.receiptKeys == "" {
		return all, nil, nil
	}
	if keys, err = small(o.receiptKeys); err != nil {
		return nil, nil, fmt.Errorf("read the keys of receipts: %w", err)
	}
	return all, keys, nil
}

// logKey is the key that --key gives, or that stands in the file which it names.
func (o call) logKey() (string, error) {
	_, err := os.Stat(filepath.Clean(o.key))
	if o.key == "" || strings.Contains(o.key, "+") && err != nil { // every verifier key has a plus (C2SP signed-note), and a file's name may have one
		return o.key, nil
	}
	b, err := small(o.key)
	if err != nil {
		return "", fmt.Errorf("read the log's key: %w", err)
	}
	return string(b), nil
}

// passphrase asks on the terminal for what protects an identity.
func passphrase(name string) func() (string, error) {
	return func() (string, error) {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		if err != nil {
			return "", errors.New("it wants a passphrase, and there is no terminal to ask on")
		}
		defer tty.Close()
		fmt.Fprintf(tty, "Passphrase for %s: ", filepath.Base(name))
		b, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(tty)
		if err != nil {
			return "", fmt.Errorf("read from the terminal: %w", err)
		}
		return string(b), nil
	}
}

// maxKept bounds a file with checkpoints, such as a syslog server's.
const maxKept = 256 << 20

func small(name string) ([]byte, error) { return limited(name, maxFile) }

func limited(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return b, err
}

func printJSON(w io.Writer, r verify.Report) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Proved bool `json:"proved"`
		verify.Report
	}{r.Proved(), r})
}

// progress shows a line on a terminal, at most four times a second.
type progress struct {
	w    io.Writer // nil: no terminal
	next time.Time
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: f}
	}
	return &progress{}
}

func (p *progress) show(done, all int64) {
	now := time.Now()
	if p.w == nil || all == 0 || now.Before(p.next) {
		return
	}
	p.next = now.Add(250 * time.Millisecond)
	fmt.Fprintf(p.w, "\r%3d %%  %d of %d MiB ", done*100/all, done>>20, all>>20)
}

func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r%40s\r", "") // not every terminal knows how to clear a line
	}
}
