package main

import (
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

func gatesCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "gates [W-1]", Short: "Say what the plant's gates say, or what a window waits for and who is its escort", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				var w api.Window
				if err := client.Get(cmd.Context(), "/windows/"+url.PathEscape(args[0]), &w); err != nil {
					return apiError(err)
				}
				return c.show(cmd, w, func(t *tabwriter.Writer) { conditionLines(t, w, c.zone) })
			}
			var list []api.Gate
			if err := client.Get(cmd.Context(), "/gates", &list); err != nil {
				return apiError(err)
			}
			return c.show(cmd, list, func(t *tabwriter.Writer) {
				if len(list) == 0 {
					fmt.Fprintln(t, "The plant file has no gate that is about the whole plant.")
				}
				for _, g := range list {
					gateLine(t, g, c.zone)
				}
			})
		}}
	c.flags(cmd)
	return cmd
}

func gateLine(t *tabwriter.Writer, g api.Gate, l *time.Location) {
	by := ""
	if g.By != "" {
		by = " by " + g.By
	}
	fmt.Fprintf(t, "%s\t%s\t%s%s%s\tsince %s\n", g.Gate, printable(g.Name), g.Says, by, suffix(g.Why), local(g.Since, l))
}

func conditionLines(t *tabwriter.Writer, w api.Window, l *time.Location) {
	for _, g := range w.Gates {
		gateLine(t, g, l)
	}
	switch e := w.Escort; {
	case e == nil:
	case e.There:
		to := ""
		if e.Offered != "" {
			to = ", handed on to " + e.Offered + " and not taken yet"
		}
		fmt.Fprintf(t, "escort\t%s%s\tstill here by %s\tinput waits from %s\n", e.By, to, local(e.Due, l), local(e.Lost, l))
	case e.By != "":
		fmt.Fprintf(t, "escort\t%s has not answered twice\ttake it: penstock escort take %s\n", e.By, w.ID)
	default:
		fmt.Fprintf(t, "escort\tnobody yet\ttake it: penstock escort take %s\n", w.ID)
	}
	if len(w.Gates) == 0 && w.Escort == nil {
		fmt.Fprintf(t, "%s waits for no gate and no escort.\n", w.ID)
	}
}

// gateCommand is a person's word about a gate.
func gateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "gate", Short: "Say a gate of a window, stand in for it, or say that an outage runs"}
	for _, v := range []struct {
		use, short, says string
		need             proof
	}{
		{"yes GATE W-1", "Say that a gate which people say is so, for this window (for an outage: yes GATE)", "yes", withCode},
		{"stand-in GATE W-1", "Stand in for a gate, by name, once for this window", "stood-in", withCode},
		{"no GATE W-1", "Take back what was said, or stood in for; what runs on it is paused (for an outage: no GATE)", "no", withoutCode},
	} {
		var c caller
		step := api.Step{Says: v.says}
		one := &cobra.Command{Use: v.use, Short: v.short, Args: cobra.RangeArgs(1, 2),
			RunE: func(cmd *cobra.Command, args []string) error {
				step.Gate = args[0]
				if len(args) == 1 && step.Says != "stood-in" {
					return does(&c, cmd, v.need, "/gates/"+url.PathEscape(args[0]), func() (any, error) { return api.Step{Says: step.Says, Why: step.Why}, nil },
						func(t *tabwriter.Writer, _ api.Receipted) { fmt.Fprintf(t, "%s: %s\n", args[0], step.Says) })
				}
				if len(args) == 1 {
					return usage("say for which window: penstock gate %s %s W-1", strings.Fields(v.use)[0], args[0])
				}
				return does(&c, cmd, v.need, "/windows/"+url.PathEscape(args[1])+"/gate", itself(&step),
					func(t *tabwriter.Writer, w api.Window) { windowLine(t, w, c.zone) })
			}}
		c.doing(one)
		one.Flags().StringVar(&step.Why, "why", "", "why; the log keeps it")
		cmd.AddCommand(one)
	}
	return cmd
}

// escortCommand is one tap of a window's escort.
func escortCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "escort", Short: "Watch a window as its escort: take, still here, hand on, leave"}
	for _, v := range []struct {
		use, short, says string
		need             proof
	}{
		{"take W-1", "Be the escort: say every five minutes that you still watch", "took", withCode},
		{"here W-1", "Still here", "here", withoutCode},
		{"offer W-1", "Hand the escort on to a named person; it is yours until they take it", "offered", withoutCode},
		{"leave W-1", "Watch no longer: what the vendor types waits", "left", withoutCode},
	} {
		var c caller
		step := api.Step{Says: v.says}
		one := &cobra.Command{Use: v.use, Short: v.short, Args: exactly(1, "a window, such as W-1"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return does(&c, cmd, v.need, "/windows/"+url.PathEscape(args[0])+"/escort", itself(&step),
					func(t *tabwriter.Writer, w api.Window) { windowLine(t, w, c.zone) })
			}}
		c.doing(one)
		if v.says == "offered" {
			one.Flags().StringVar(&step.To, "to", "", "the person")
			_ = one.MarkFlagRequired("to") // only fails for a flag that is not there
		}
		cmd.AddCommand(one)
	}
	return cmd
}
