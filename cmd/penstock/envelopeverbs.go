package main

import (
	"crypto/rand"
	"fmt"
	"html"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"rsc.io/qr"

	"penstock/approvals/evidence"
	"penstock/broker/api"
)

func envelopeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "envelope", Short: "The two sealed envelopes that work when nothing else does: make, list"}
	cmd.AddCommand(envelopeMakeCommand(), listCommand("list", "List the sealed envelopes and how old they are", "/envelopes", "No envelope was ever sealed: penstock envelope make.",
		func(t *tabwriter.Writer, e api.Envelope, l *time.Location) {
			state := fmt.Sprintf("sealed %d days ago by %s", int(time.Since(e.Sealed)/(24*time.Hour)), e.By)
			if !e.Opened.IsZero() {
				state = "OPENED " + local(e.Opened, l) + " by “" + printable(e.Says) + "”; seal a new one"
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.ID, evidence.EnvelopeTitle(e.ID), state, e.Key)
		}))
	return cmd
}

// envelopeMakeCommand makes what goes into an envelope, here: the broker gets the
// public half and a signed word for it, and nobody else gets the code.
func envelopeMakeCommand() *cobra.Command {
	var c caller
	var key, paper string
	cmd := &cobra.Command{
		Use:   "make envelope-1|envelope-2",
		Short: "Make a sealed envelope anew: print its paper once, and sign for it with a key of your own",
		Long: `Makes a code on this computer, prints it once, and gives the broker only the public half of the key that
follows from it, with your signed word for it. What was in the older envelope counts no more.
  envelope-1  for the control room: stands for the one yes of an emergency when nobody on shift can sign in
  envelope-2  for OT security: the way back in when none of them can; opens only together with envelope-1
Opening one is an alarm. It counts four hours, once; then a new one is sealed with this same command.`,
		Example: `  penstock envelope make envelope-1 --as lena --sign-with ~/.ssh/id_ed25519 --paper /dev/shm/envelope.html`,
		Args:    exactly(1, "envelope-1 or envelope-2"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.makeEnvelope(cmd, args[0], key, paper)
		},
	}
	c.doing(cmd)
	cmd.Flags().StringVar(&key, "sign-with", "", signFlag)
	cmd.Flags().StringVar(&paper, "paper", "", "write a page for the printer there (HTML, mode 0600) instead of printing the code; a memory file system such as /dev/shm leaves no trace on a disk")
	_ = cmd.MarkFlagRequired("sign-with") // only fails for a flag that is not there
	return cmd
}

// makeEnvelope shows the code last: only once the broker has the key that follows from it.
func (c *caller) makeEnvelope(cmd *cobra.Command, id, key, paper string) error {
	if !evidence.IsEnvelope(id) {
		return usage("%q is none of the two: envelope-1 (control room) or envelope-2 (OT security)", id)
	}
	if err := keyFile(key); err != nil {
		return err
	}
	code, public, err := newEnvelope(id)
	if err != nil {
		return err
	}
	client, err := c.signIn(cmd.Context(), withoutCode)
	if err != nil {
		return err
	}
	var d api.Draft
	if err := client.Post(cmd.Context(), "/envelopes/"+id+"/draft", api.Step{Key: public}, &d); err != nil {
		return apiError(err)
	}
	v, err := evidence.ParseVouch([]byte(d.Text))
	if err != nil || d.Namespace != evidence.VouchNamespace || v.Person != id || v.Public != public || v.By != c.as {
		return fmt.Errorf("%w: %.200q", errNotMeant, d.Text)
	}
	step := api.Step{}
	if step.Signed, err = sign(cmd.Context(), key, d, cmd.ErrOrStderr()); err != nil {
		return err
	}
	if paper != "" { // before the old envelope is void
		if err := writePaper(paper, id, code); err != nil {
			return err
		}
	}
	var made api.Envelope
	if err := client.Post(cmd.Context(), "/envelopes/"+id, step, &made); err != nil {
		return apiError(err)
	}
	return c.show(cmd, made, func(t *tabwriter.Writer) {
		fmt.Fprintf(t, "%s is sealed; what was in an older one counts no more.\n", evidence.EnvelopeTitle(id))
		if paper != "" {
			fmt.Fprintf(t, "Print %s, put it into the envelope, sign over the flap, and delete the file.\n", paper)
			return
		}
		fmt.Fprintf(t, "Write this down, or print it, once; it is kept nowhere:\n\n    %s\n\n", code)
	})
}

// newEnvelope draws a code, and gives the public half of the key that follows from it.
func newEnvelope(id string) (code, public string, err error) {
	var seed [16]byte
	rand.Read(seed[:]) // never fails (crypto/rand)
	code = evidence.EnvelopeCode(id, seed)
	private, err := evidence.EnvelopeKey(id, code)
	if err != nil {
		return "", "", err
	}
	public, err = evidence.EnvelopePublic(private)
	return code, public, err
}

var paperWhat = map[string]string{
	evidence.EnvelopeRoom:     "For the control room. When the line stands and nobody on shift can sign in: open the pages, “Open the sealed envelope”, type this code and your name. Then answer the emergency that waits.",
	evidence.EnvelopeSecurity: "For OT security. When none of you can sign in: two people, with envelope 1 as well. Open the pages, “Open the sealed envelope”, type both codes. Then invite and confirm whoever has lost their keys.",
}

// writePaper makes the page that is printed, in a file that was not there before.
func writePaper(name, id, code string) error {
	q, err := qr.Encode(code, qr.M)
	if err != nil {
		return fmt.Errorf("draw the code: %w", err)
	}
	var path strings.Builder
	for y := range q.Size {
		for x := range q.Size {
			if q.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+4, y+4)
			}
		}
	}
	title := evidence.EnvelopeTitle(id)
	page := fmt.Sprintf(`<!doctype html><meta charset="utf-8"><title>%[1]s</title>
<style>body{font:16px/1.5 sans-serif;max-width:17cm;margin:2cm auto}code{font:bold 22px/1.6 monospace;letter-spacing:.05em}svg{width:5cm;height:5cm}</style>
<h1>Penstock: %[1]s</h1><p>%[2]s</p><p><code>%[3]s</code></p>
<svg viewBox="0 0 %[4]d %[4]d" shape-rendering="crispEdges"><path d="%[5]s"/></svg>
<p><strong>Opening it is an alarm.</strong> It counts four hours, once. Seal a new one afterwards: penstock envelope make %[6]s</p>
<p>Made on %[7]s. Sign over the flap: ______________________</p>
`, html.EscapeString(title), html.EscapeString(paperWhat[id]), code, q.Size+8, path.String(), id, time.Now().Format(time.DateOnly))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the paper: %w", err)
	}
	_, err = f.WriteString(page)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write the paper: %w", err)
	}
	return nil
}
