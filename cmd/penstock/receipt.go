package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

// keepReceipt writes a receipt to a file that is not there yet. It comes after
// the deed: a full disk must not stand between a person and a cut.
func keepReceipt(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(path) // half a receipt is none
	}
	return err
}

func receiptCommand() *cobra.Command {
	var c caller
	var to string
	cmd := &cobra.Command{Use: "receipt INDEX", Short: "Ask again for the receipt of what you did: of a leaf under your name",
		Long: `Ask for the broker's receipt of one leaf of the log that you made: a request, an answer, a step of a
window, a hand-back, a block. Keep it where the broker cannot reach it: penstock-verify DATA --receipt FILE
says later whether the log still holds that leaf.`,
		Args: exactly(1, "the leaf's index"),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := strconv.ParseUint(args[0], 10, 53)
			if err != nil {
				return usage("%q is no index: leaves are counted from 0", args[0])
			}
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var r api.Receipted
			if err := client.Get(cmd.Context(), "/receipts/"+strconv.FormatUint(at, 10), &r); err != nil {
				return apiError(err)
			}
			if to != "" {
				if err := keepReceipt(to, r.Receipt); err != nil {
					return fmt.Errorf("keep the receipt: %w", err)
				}
				return nil
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), r.Receipt)
			return err
		}}
	c.flags(cmd)
	cmd.Flags().StringVarP(&to, "output", "o", "", "file to write; it must not be there yet")
	return cmd
}
