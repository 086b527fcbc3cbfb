package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/broker/api"
)

const signFlag = "sign it with this SSH key (ssh-keygen -Y sign; a .pub file where an agent holds the key)"

// sign has ssh-keygen sign a draft's text. The key's passphrase or PIN is asked
// for by ssh-keygen itself, on the terminal.
func sign(ctx context.Context, key string, d api.Draft, errs io.Writer) (*api.Signed, error) {
	cmd := exec.CommandContext(ctx, "ssh-keygen", "-Y", "sign", "-q", "-n", d.Namespace, "-f", key)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(d.Text), &out, io.MultiWriter(&said, errs)
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ssh-keygen did not sign with %s: %w: %s", key, err, strings.TrimSpace(said.String()))
	}
	p, err := evidence.SSHProof(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("what ssh-keygen signed: %w", err)
	}
	return &api.Signed{Text: d.Text, Kind: p.Kind, Key: p.Key, Data: p.Data}, nil
}

// meant is what somebody typed that they want to sign. A draft that says anything
// else is not signed: whoever signs does not have to believe the broker's own
// words, nor to read faster than an agent signs.
type meant struct {
	by     string // who signs
	says   string
	text   string     // hash of the text that they read; empty: whatever is about what they named
	heard  string     // whose yes was heard on the telephone
	window string     // of an extension, or a second tap
	until  time.Time  // of an extension
	limits api.Limits // of a yes: no wider
}

var errNotMeant = errors.New("what the broker gave to sign is not what you asked for; nothing was signed. Tell OT security")

// draft asks for the text of an answer, and holds it to what was meant.
func (m meant) draft(ctx context.Context, client *api.Client, path string, send any) (api.Draft, evidence.Answer, error) {
	var d api.Draft
	if err := client.Post(ctx, path+"/draft", send, &d); err != nil {
		return d, evidence.Answer{}, apiError(err)
	}
	a, err := evidence.ParseAnswer([]byte(d.Text))
	if err != nil {
		return d, a, fmt.Errorf("the broker gave something else to sign: %w", err)
	}
	if d.Namespace != evidence.AnswerNamespace || !m.is(a) {
		return d, a, errNotMeant
	}
	return d, a, nil
}

func (m meant) is(a evidence.Answer) bool {
	heard := ""
	if a.Heard != "" {
		heard = a.Person
	}
	return a.Signer() == m.by && a.Says == m.says && heard == m.heard && a.Window == m.window && a.Until.Equal(m.until.Truncate(time.Second)) &&
		(m.text == "" || a.Request.String() == m.text) && (m.says == evidence.StepUp || m.noWider(a.Limits))
}

// noWider says whether these limits let no more be done than those that were typed.
func (m meant) noWider(l evidence.Limits) bool {
	w := m.limits
	if len(w.Rights) > 0 && (len(l.Rights) == 0 || slices.ContainsFunc(l.Rights, func(r string) bool { return r != "look" && !slices.Contains(w.Rights, r) })) {
		return false
	}
	typed := func(t evidence.Target) bool {
		return slices.ContainsFunc(w.Targets, func(o api.Target) bool { return t == evidence.Target{Asset: o.Asset, Port: o.Port, Account: o.Account} })
	}
	if len(w.Targets) > 0 && (len(l.Assets) == 0 || slices.ContainsFunc(l.Assets, func(t evidence.Target) bool { return !typed(t) })) {
		return false
	}
	return (w.Minutes == 0 || l.Minutes > 0 && l.Minutes <= w.Minutes) && (w.Until.IsZero() || !l.Until.IsZero() && !l.Until.After(w.Until))
}

// signs has an answer signed: asked for as a draft, held to what was meant, and
// shown as it reads, from the very bytes. read gives the lines, and refuses a text
// about something else.
func signs[T any](cmd *cobra.Command, client *api.Client, key, path string, send any, m meant, text func([]byte) (T, error), read func(evidence.Answer, T) ([]string, error)) (*api.Signed, error) {
	d, a, err := m.draft(cmd.Context(), client, path, send)
	if err != nil {
		return nil, err
	}
	t, err := text([]byte(d.Request))
	if err != nil {
		return nil, fmt.Errorf("the broker gave something else to sign: %w", err)
	}
	if audit.HashOf([]byte(d.Request)) != a.Request {
		return nil, errNotMeant
	}
	lines, err := read(a, t)
	if err != nil {
		return nil, err
	}
	words := evidence.Words(a.Request)
	for _, line := range append(lines, "  its eight words: "+strings.ToUpper(strings.Join(words[:2], " "))+" "+strings.Join(words[2:], " ")) {
		fmt.Fprintln(cmd.ErrOrStderr(), line)
	}
	return sign(cmd.Context(), key, d, cmd.ErrOrStderr())
}

// readsRequest shows an answer to a request, or to a window of one.
func readsRequest(id string, zone *time.Location) func(evidence.Answer, evidence.Request) ([]string, error) {
	return func(a evidence.Answer, r evidence.Request) ([]string, error) {
		if id != cmp.Or(a.Window, r.Request) {
			return nil, errNotMeant
		}
		return signedWords(a, r, zone), nil
	}
}

func signedWords(a evidence.Answer, r evidence.Request, zone *time.Location) []string {
	lines := []string{fmt.Sprintf("You sign: %s, as %s, to %s revision %d.", a.Says, a.Role, r.Request, r.Rev),
		fmt.Sprintf("  %s of %s: %s, for %d min between %s and %s.", strings.Join(r.People, ", "), r.Firm, strings.Join(r.Rights, ", "), r.Minutes, local(r.From, zone), local(r.To, zone))}
	for _, t := range r.Assets {
		lines = append(lines, "  "+t.String())
	}
	lines = append(lines, "  why: "+printable(r.Reason))
	if m := r.Machine; m.Is() {
		lines = append(lines, "  STANDING, a machine without a code: keeper "+m.Keeper+", from "+strings.Join(m.Networks, ", ")+", frame "+printable(m.Frame)+", key "+printable(m.Key))
	}
	if r.Kind == evidence.Exception {
		lines = append(lines, "  EXCEPTION from the rules: waives "+strings.Join(r.Waives, ", "))
	}
	if r.Jack != "" {
		lines = append(lines, "  ON SITE, recorded: with the laptop "+printable(r.Laptop)+" at the service jack "+printable(r.Jack))
	} else if r.AtMachine() {
		lines = append(lines, "  ON SITE, not recorded: with the laptop "+printable(r.Laptop))
	}
	if r.Kind == evidence.Emergency {
		lines = append(lines, "  EMERGENCY: begins with "+strings.Join(r.Starts, ", ")+"; waived: "+cmp.Or(strings.Join(r.Waives, ", "), "no calendar"))
	}
	if a.Says == evidence.StepUp {
		lines = append(lines, "  second tap: "+a.Window+" has from then on "+strings.Join(a.Limits.Rights, ", "))
	} else if len(a.Limits.Rights) > 0 {
		lines = append(lines, "  only: "+strings.Join(a.Limits.Rights, ", "))
	}
	for _, t := range a.Limits.Assets {
		lines = append(lines, "  only: "+t.String())
	}
	if a.Limits.Minutes > 0 {
		lines = append(lines, fmt.Sprintf("  only: %d min", a.Limits.Minutes))
	}
	if !a.Limits.Until.IsZero() {
		lines = append(lines, "  only: until "+local(a.Limits.Until, zone))
	}
	if !a.Until.IsZero() {
		lines = append(lines, fmt.Sprintf("  %s ends at %s then", a.Window, local(a.Until, zone)))
	}
	return lines
}

// vouchCommand is one person's signed word for another's key.
func vouchCommand() *cobra.Command {
	var c caller
	var key string
	cmd := &cobra.Command{Use: "vouch PERSON FINGERPRINT", Short: "Sign that a passkey or SSH key is a person's own: it can sign answers from then on",
		Example: `  penstock people vouch mia SHA256:… --as jan --sign-with ~/.ssh/id_ed25519`,
		Args:    exactly(2, "a person and the fingerprint that you have compared with them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			path := "/people/" + url.PathEscape(args[0]) + "/vouch"
			var d api.Draft
			if err := client.Post(cmd.Context(), path+"/draft", api.Step{Key: args[1]}, &d); err != nil {
				return apiError(err)
			}
			v, err := evidence.ParseVouch([]byte(d.Text))
			if err != nil || d.Namespace != evidence.VouchNamespace || v.Person != args[0] || v.Key != args[1] || v.By != c.as {
				return fmt.Errorf("%w: %.200q", errNotMeant, d.Text)
			}
			signed, err := sign(cmd.Context(), key, d, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return sends(&c, cmd, client, path, api.Step{Signed: signed}, personLine)
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&key, "sign-with", "", signFlag)
	_ = cmd.MarkFlagRequired("sign-with") // only fails for a flag that is not there
	return cmd
}

func removeKeyCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "remove-key PERSON FINGERPRINT", Short: "Take a key away for good: a lost phone, a stolen laptop",
		Example: `  penstock people remove-key mia SHA256:… --as jan`,
		Args:    exactly(2, "a person and the key's fingerprint; for a password or code generator the word password or totp"),
		RunE: func(cmd *cobra.Command, args []string) error {
			need := withoutCode
			if args[1] == "password" || args[1] == "totp" {
				need = withCode
			}
			return does(&c, cmd, need, "/people/"+url.PathEscape(args[0])+"/remove-key", itself(&api.Step{Key: args[1]}), personLine)
		}}
	c.flags(cmd)
	return cmd
}

// keyFile is a key that is there; ssh-keygen's own words for one that is not are few.
func keyFile(name string) error {
	if _, err := os.Stat(name); err != nil {
		return usage("there is no key file %s", name)
	}
	return nil
}
