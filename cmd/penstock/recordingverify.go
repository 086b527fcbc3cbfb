package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"penstock/audit/verify"
	"penstock/broker/api"
)

// verifyRecording reads the data folder as penstock-verify does, beside the running log.
func (h *plantHouse) verifyRecording(ctx context.Context, session string) (verify.Report, error) {
	return verify.Recording(ctx, string(h.folder), session, verify.Trust{LogKey: h.logKey}, nil)
}

func recordingVerifyCommand() *cobra.Command {
	var c caller
	var key, identity string
	cmd := &cobra.Command{Use: "verify [DIR] S-1", Short: "Check one recording against the log",
		Long: `Check one recording: session.json, keys.age and close.json by their hashes in the log,
every frame by its chain, every head line that the log committed to, and with the key
every seal. Through the broker (--as PERSON) it is an event, and the broker's own word.
With DIR, a data folder or a copy of one, no broker is asked.
Exit 0: it is proved. Exit 3: it is not. penstock-verify DIR checks everything.`,
		Args: sessionOrFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return verifyOffline(cmd, &c, args[0], args[1], key, identity)
			}
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var v api.Verified
			if err := client.Post(cmd.Context(), "/recordings/"+url.PathEscape(args[0])+"/verify", struct{}{}, &v); err != nil {
				return apiError(err)
			}
			return c.verified(cmd, v)
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&key, "key", "", "with DIR: the log's verifier key; else the folder's own")
	cmd.Flags().StringVar(&identity, "identity", "", "with DIR: file with the age identity that opens it")
	return cmd
}

func verifyOffline(cmd *cobra.Command, c *caller, dir, session, key, identity string) error {
	t := verify.Trust{LogKey: key}
	if identity != "" {
		b, err := os.ReadFile(identity)
		if err != nil {
			return fmt.Errorf("read the identity: %w", err)
		}
		t.Identity = string(b)
	}
	p := &progress{to: cmd.ErrOrStderr(), what: "verify"}
	r, err := verify.Recording(cmd.Context(), dir, session, t, func(done, _ int64) { p.add(done - p.bytes) })
	if err != nil {
		return err
	}
	v := api.Verified{Session: session, Proved: r.Proved(), Opened: r.Opened > 0, Size: uint64(r.Size), Findings: []api.Finding{}}
	for _, f := range r.Findings {
		v.Findings = append(v.Findings, api.Finding{Weight: f.Weight.String(), Where: f.Where, What: f.What})
	}
	return c.verified(cmd, v)
}

// verified shows the verdict first.
func (c *caller) verified(cmd *cobra.Command, v api.Verified) error {
	err := c.show(cmd, v, func(w *tabwriter.Writer) {
		switch {
		case !v.Proved:
			fmt.Fprintf(w, "NOT PROVED: %s\n", printable(v.Session))
		case v.Opened:
			fmt.Fprintf(w, "%s is whole and the one that the log committed to; what it holds was opened and read\n", printable(v.Session))
		default:
			fmt.Fprintf(w, "%s is whole and the one that the log committed to; no key opened it\n", printable(v.Session))
		}
		for _, f := range v.Findings {
			fmt.Fprintf(w, "  %s: %s\n", printable(f.Where), printable(f.What))
		}
	})
	if err == nil && !v.Proved {
		err = exit{exitNo, errors.New("the recording is not proved")}
	}
	return err
}
