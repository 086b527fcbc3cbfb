package main

import (
	"fmt"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

// handoverCommand is one shift's word to the next.
func handoverCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "handover", Short: "Hand what runs and what is left behind to the next shift"}
	cmd.AddCommand(listCommand("list", "List what is offered and not taken", "/handovers", "Nothing is being handed over.", handoverLines),
		handoverOffer(), handoverTake())
	return cmd
}

func handoverOffer() *cobra.Command {
	var c caller
	var h api.Handover
	var due string
	cmd := &cobra.Command{Use: "offer", Short: "Offer the next shift what your team opens; it is yours until they take it", Args: exactly(0, "flags only"),
		Example: `  penstock handover offer --team shift --at 06:00 --say "Alarm F-417 twice" --as mia`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return does(&c, cmd, withoutCode, "/handovers", func() (any, error) {
				now := time.Now()
				h.Due = now
				if due == "" {
					return h, nil
				}
				var err error
				h.Due, err = parseTime(due, now, c.zone)
				return h, err
			}, func(t *tabwriter.Writer, made api.Handover) { handoverLines(t, made, c.zone) })
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&h.Team, "team", "", "the shift's team")
	cmd.Flags().StringVar(&due, "at", "", "when the shift changes: 06:00, or +15m; now where it is left out")
	cmd.Flags().StringVar(&h.Says, "say", "", "what the next shift should know; it is kept")
	_ = cmd.MarkFlagRequired("team") // only fails for a flag that is not there
	return cmd
}

func handoverTake() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "take H-1 W-1…", Short: "Take windows of a handover over, by name and code", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/handovers/"+url.PathEscape(args[0])+"/take", func() (any, error) { return api.Handover{Take: args[1:]}, nil },
				func(t *tabwriter.Writer, made api.Handover) { handoverLines(t, made, c.zone) })
		}}
	c.doing(cmd)
	return cmd
}

func handoverLines(t *tabwriter.Writer, h api.Handover, l *time.Location) {
	late := ""
	if h.Rang {
		late = "not taken in time"
	}
	fmt.Fprintf(t, "%s\t%s\tfrom %s\tat %s\t%s\n", h.ID, h.Team, h.By, local(h.Due, l), late)
	for _, i := range h.Items {
		by := "not taken"
		if i.By != "" {
			by = "taken by " + i.By
		}
		fmt.Fprintf(t, "  %s\t%s\n", i.Window, by)
	}
	if h.Says != "" {
		fmt.Fprintf(t, "  says\t%s\n", printable(h.Says))
	}
}
