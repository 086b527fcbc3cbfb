package main

import (
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

// leftCommand is what work left behind in a machine.
func leftCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "left", Short: "Say what work left behind, by when it must be gone, and that it is gone"}
	cmd.AddCommand(leftNote(), leftStep("by W-1 1", "left-by", "Say by when something must be gone; you and the shift are rung if it is not", true),
		leftStep("gone W-1 1", "left-gone", "Say that something is gone: somebody has looked", false))
	return cmd
}

func leftNote() *cobra.Command {
	var c caller
	var until string
	cmd := &cobra.Command{Use: `note W-1 "WHAT"`, Short: "Note what work left behind; the window is not closed before it is gone", Args: exactly(2, "a window and what is left behind"),
		Example: `  penstock left note W-198 "force on I 4.2" --until 08:30 --as mia`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withoutCode, "/windows/"+url.PathEscape(args[0])+"/left", func() (any, error) {
				step := api.Step{Text: args[1]}
				if until == "" {
					return step, nil
				}
				var err error
				step.Until, err = parseTime(until, time.Now(), c.zone)
				return step, err
			}, func(t *tabwriter.Writer, w api.Window) { leftLines(t, w, c.zone) })
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&until, "until", "", "by when it must be gone: +4h, 08:30, 2026-11-22 08:30")
	return cmd
}

// leftStep is a word on one thing that was left behind.
func leftStep(use, path, short string, timed bool) *cobra.Command {
	var c caller
	var until string
	cmd := &cobra.Command{Use: use, Short: short, Args: exactly(2, "a window and a number, such as W-1 1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 1 {
				return usage("%.20q is no number of something left behind: see `penstock windows`", args[1])
			}
			return does(&c, cmd, withoutCode, "/windows/"+url.PathEscape(args[0])+"/"+path, func() (any, error) {
				step := api.Step{N: n}
				if !timed {
					return step, nil
				}
				var err error
				step.Until, err = parseTime(until, time.Now(), c.zone)
				return step, err
			}, func(t *tabwriter.Writer, w api.Window) { leftLines(t, w, c.zone) })
		}}
	c.doing(cmd)
	if timed {
		cmd.Flags().StringVar(&until, "until", "", "+4h, 08:30, 2026-11-22 08:30 or RFC 3339")
		_ = cmd.MarkFlagRequired("until") // only fails for a flag that is not there
	}
	return cmd
}

// leftLines is a window, and under it what is still there.
func leftLines(t *tabwriter.Writer, w api.Window, l *time.Location) {
	windowLine(t, w, l)
	for _, one := range w.Left {
		if one.GoneBy != "" {
			continue
		}
		by := ""
		if !one.Due.IsZero() {
			by = "must be gone by " + local(one.Due, l)
		}
		fmt.Fprintf(t, "  left behind %d\t%s\t%s\n", one.N, printable(one.What), by)
	}
}
