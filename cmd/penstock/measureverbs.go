package main

import (
	"fmt"
	"net/url"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"penstock/broker/api"
	"penstock/broker/web"
)

// measuresCommand is what the ten outcome measures came to in a month.
func measuresCommand() *cobra.Command {
	var c caller
	var month string
	cmd := &cobra.Command{Use: "measures", Short: "Say what the ten outcome measures came to in a month", Args: cobra.NoArgs,
		Long: "From the log, of teams and machines and never of a person; drills are left out. Fewer than five cases are too few to\n" +
			"tell a number of, and what has no source is not measured. For OT security and those who may read recordings.",
		Example: "  penstock measures --month 2026-10 --as lena\n  penstock measures baseline 2 90 --from \"40 tickets of 2025\" --as lena",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var m api.Month
			if err := client.Get(cmd.Context(), "/measures?month="+url.QueryEscape(month), &m); err != nil {
				return apiError(err)
			}
			return c.show(cmd, m, func(t *tabwriter.Writer) { measureLines(t, m) })
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&month, "month", "", "such as 2026-10 (default: this one)")
	cmd.AddCommand(baselineCommand(), minutesCommand())
	return cmd
}

func measureLines(t *tabwriter.Writer, m api.Month) {
	fmt.Fprintf(t, "%s, %s\n", printable(m.Site), m.Month)
	for _, one := range m.Measures {
		before := ""
		if b := one.Baseline; b != nil {
			before = fmt.Sprintf("before: %g %s (%s)", b.Value, one.Unit, printable(b.From))
		}
		fmt.Fprintf(t, "%2d  %s\t%s\t%s\n", one.Number, one.Name, web.MeasureText(one), before)
		if one.Why != "" {
			fmt.Fprintf(t, "    %s\n", printable(one.Why))
		}
	}
	if m.Cuts > 0 {
		fmt.Fprintf(t, "beside them: time to cut, 99 of 100, %.1f s, of %d\n", float64(m.CutMillis)/1000, m.Cuts)
	}
}

func baselineCommand() *cobra.Command {
	var c caller
	var from string
	cmd := &cobra.Command{Use: "baseline NUMBER VALUE", Short: "Enter what a measure was before, in its unit", Args: exactly(2, "a measure, 1 to 10, and what it was"),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := strconv.ParseFloat(args[1], 64)
			if err != nil {
				return usage("what was it? a number, such as 90")
			}
			return does(&c, cmd, withCode, "/measures/"+url.PathEscape(args[0])+"/baseline", func() (any, error) { return api.Baseline{Value: value, From: from}, nil },
				func(t *tabwriter.Writer, b api.Baseline) { fmt.Fprintf(t, "entered: %s was %g\n", args[0], b.Value) })
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&from, "from", "", "whence you have the number")
	_ = cmd.MarkFlagRequired("from") // only fails for a flag that is not there
	return cmd
}

func minutesCommand() *cobra.Command {
	var c caller
	var why string
	cmd := &cobra.Command{Use: "minutes MONTH MINUTES", Short: "Enter minutes that somebody spent by hand on questions of evidence", Args: exactly(2, "a month, such as 2026-10, and the minutes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return usage("how many minutes? a whole number")
			}
			return does(&c, cmd, withCode, "/measures/minutes", func() (any, error) { return api.HandMinutes{Month: args[0], Minutes: n, Why: why}, nil },
				func(t *tabwriter.Writer, h api.HandMinutes) {
					fmt.Fprintf(t, "entered: %d minutes of %s\n", h.Minutes, h.Month)
				})
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&why, "why", "", "for what")
	_ = cmd.MarkFlagRequired("why") // only fails for a flag that is not there
	return cmd
}
