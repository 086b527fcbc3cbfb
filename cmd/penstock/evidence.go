package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/dossier"
	"penstock/audit"
	"penstock/audit/pack"
	"penstock/audit/recording"
	"penstock/audit/review"
	"penstock/broker/api"
	"penstock/policy"
)

var errEvidenceRuns = &policy.Refusal{Rule: "evidence-running", Say: "An evidence pack is being made already. Wait until it is through.", Why: "two evidence packs at once"}

func tell(docs pack.Documents, window string) pack.Story { return dossier.Read(docs, window) }

// evidence writes that a person asks for a window's pack, and gives what
// streams it. The streaming function is to be called once, whatever comes.
func (h *plantHouse) evidence(ctx context.Context, who review.Reader, window policy.WindowID, exports bool) (func(context.Context, io.Writer) error, error) {
	if !h.evidences.TryLock() {
		return nil, errEvidenceRuns
	}
	if err := h.book.Evidence(ctx, who, string(window), exports); err != nil {
		h.evidences.Unlock()
		return nil, err
	}
	return func(ctx context.Context, w io.Writer) error {
		defer h.evidences.Unlock()
		err := h.deliver(ctx, w, who, window, exports)
		if err != nil {
			h.slog.Error("an evidence pack broke off", "window", window, "by", who.Person, "err", err)
		}
		return err
	}, nil
}

func (h *plantHouse) deliver(ctx context.Context, w io.Writer, who review.Reader, window policy.WindowID, exports bool) error {
	h.archive.AwaitHeads(ctx.Done(), 3*time.Second) // so that running sessions are in it up to now
	v, err := audit.LogVerifier(h.folder.keys())
	if err != nil {
		return err
	}
	o := pack.Order{Dir: string(h.folder), Key: v, Window: string(window), Checkpoint: h.log.Checkpoint(), Story: tell}
	if exports {
		if o.Input = h.book.MaySeeInput(who); o.Input {
			who.Form, who.Input = who.Form+"+streams", review.Inherent
		}
		o.Open = func(ctx context.Context, session string) (*recording.Reader, error) {
			r, err := h.book.Read(ctx, who, session)
			if errors.Is(err, recording.ErrSealed) {
				return nil, nil
			}
			return r, err
		}
	}
	made, err := pack.Write(ctx, w, o)
	if err != nil {
		return err
	}
	return h.book.Delivered(context.WithoutCancel(ctx), who, string(window), made.SHA256, made.Bytes)
}

func evidenceCommand() *cobra.Command {
	var c caller
	var to, identity string
	var withExports bool
	cmd := &cobra.Command{Use: "evidence [DIR] W-1 -o FILE", Short: "Put all that the log has of a window into one file that proves itself",
		Long: `Put all that the log has of a window into one zip: request, answers, certificates,
sessions, recordings, files, hand-back, with proofs and checkpoints, and pages to read.
penstock-verify FILE --key LOG-KEY checks it, without the broker.

From the running broker (--as PERSON) that is an event; whoever may read recordings may
ask. With DIR it is made from a data directory, without a server, and no log says so.
--exports puts in what passed, readable; with DIR that needs --identity.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usage("%s wants a window, such as W-1, and before it a data directory where no broker is asked", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				to = "evidence-" + filepath.Base(args[len(args)-1]) + ".zip"
			}
			if len(args) == 2 {
				return evidenceOffline(cmd, args[0], args[1], to, identity, withExports)
			}
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			body, err := client.Evidence(cmd.Context(), args[0], api.Evidence{Exports: withExports})
			if err != nil {
				return apiError(err)
			}
			defer body.Close()
			p := &progress{to: cmd.ErrOrStderr(), what: "evidence"}
			if err := writeOut(cmd.OutOrStdout(), to, io.TeeReader(body, p)); err != nil {
				return err
			}
			p.last()
			return saidEvidence(cmd, to)
		}}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVarP(&to, "out", "o", "", "file to write (default evidence-W-1.zip); it is replaced only by a whole pack")
	f.BoolVar(&withExports, "exports", false, "with what passed, readable, without what was typed; each reading is an event")
	f.StringVar(&identity, "identity", "", "with DIR: file with the age identity that opens the recordings, for --exports")
	return cmd
}

func saidEvidence(cmd *cobra.Command, to string) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\nCheck it with: penstock-verify %s --key LOG-KEY (penstock ca show prints the key)\n", to, to)
	return err
}

// evidenceOffline makes a pack from a folder.
func evidenceOffline(cmd *cobra.Command, dir, window, to, identity string, withExports bool) error {
	v, err := audit.LogVerifier(filepath.Join(dir, "keys"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: is %s a data directory?", err, dir)
	}
	if err != nil {
		return err
	}
	o := pack.Order{Dir: dir, Key: v, Window: window, Story: tell, Input: true}
	if withExports {
		o.Open = func(_ context.Context, session string) (*recording.Reader, error) {
			return openOffline(dir, session, identity)
		}
	}
	p := &progress{to: cmd.ErrOrStderr(), what: "evidence"}
	var made pack.Made
	err = exportOut(cmd.OutOrStdout(), to, func(w io.Writer) error {
		var err error
		made, err = pack.Write(cmd.Context(), io.MultiWriter(w, p), o)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return exit{exitNo, err}
	}
	if err != nil {
		return err
	}
	p.last()
	for _, id := range made.Left {
		fmt.Fprintf(cmd.ErrOrStderr(), "the recording of %s is not in %s; the pack says so\n", id, dir)
	}
	return saidEvidence(cmd, to)
}
