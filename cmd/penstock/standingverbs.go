package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

// standingCommand lists the machines that come in day and night. One is asked for
// by `request --standing`, and confirmed by `extend`.
func standingCommand() *cobra.Command {
	return listCommand("standing", "List machines that come in day and night, the next to be confirmed first; confirm one: penstock extend W-1 --until +90d --sign-with KEY", "/standing", "No machine stands.",
		func(w *tabwriter.Writer, s api.Standing, l *time.Location) {
			v := s.Window
			fmt.Fprintf(w, "%s\t%s\t%s of %s\t%s\t%s\tcloses %s, or %s confirms to %s at most", v.ID, v.State, strings.Join(v.People, ", "), v.Firm, strings.Join(v.Rights, ","), targetWords(v.Targets),
				local(v.Until, l), strings.Join(s.Owners, " or "), local(s.Most, l))
			if m := v.Machine; m != nil {
				fmt.Fprintf(w, "\tkeeper %s\tfrom %s", m.Keeper, strings.Join(m.Networks, ", "))
			}
			fmt.Fprintln(w)
		})
}
