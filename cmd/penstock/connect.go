package main

import (
	"errors"
	"flag"

	"github.com/spf13/cobra"

	"penstock/broker/connect"
)

// connectCommand is the vendor's end; cmd/penstock-connect is the same alone,
// for computers that run no broker.
func connectCommand() *cobra.Command {
	var o connect.Options
	flags := flag.NewFlagSet("connect", flag.ContinueOnError)
	o.Flags(flags)
	cmd := &cobra.Command{Use: "connect [W-17 …]", Short: "Open all ports of your window on this computer, for as long as it lasts", Long: connect.Help,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Take(args); err != nil {
				return connectEnd(err)
			}
			return connectEnd(connect.Run(cmd.Context(), o, connect.Screen(cmd.OutOrStdout(), cmd.ErrOrStderr())))
		}}
	cmd.Flags().AddGoFlagSet(flags)
	return cmd
}

// connectEnd gives a stop its exit code.
func connectEnd(err error) error {
	if s, ok := errors.AsType[*connect.Stop](err); ok {
		return exit{s.Code, err}
	}
	return err
}
