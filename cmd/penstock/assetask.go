package main

import (
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
	"penstock/policy"
)

// assetQuestions are the verbs that the plant file alone answers, without a server.
func assetQuestions() []*cobra.Command {
	return []*cobra.Command{
		assetQuestion("stops", "Say which lines stop if an asset fails", func(p *policy.Plant, a policy.Asset, _ time.Time) (any, []string) {
			all := p.StopsOf(a.Name)
			var lines []string
			for _, s := range all {
				line := fmt.Sprintf("%s (%s), criticality %d", s.Line.Title, s.Line.Name, s.Line.Criticality)
				if s.By != "" {
					line += ", fed by " + string(s.By)
				}
				lines = append(lines, line)
			}
			return all, or(lines, "no line stops")
		}),
		assetQuestion("interlocks", "Say which interlocks an asset has, and which trip it", func(p *policy.Plant, a policy.Asset, _ time.Time) (any, []string) {
			all := p.InterlocksOf(a.Name)
			var lines []string
			for _, i := range all {
				lines = append(lines, fmt.Sprintf("%s of %s trips %s", i.Name, i.Of, i.Trips))
			}
			return all, or(lines, "none is declared")
		}),
		assetQuestion("firmware", "Say which other assets run the same firmware as this one", func(p *policy.Plant, a policy.Asset, _ time.Time) (any, []string) {
			lines := []string{fmt.Sprintf("%s: %s", a.Name, strings.Join(strings.Fields(a.Is.Maker+" "+a.Is.Model+" "+a.Is.Firmware), " "))}
			if a.Is.Firmware == "" {
				return []policy.Asset{}, []string{"the plant file does not say what " + string(a.Name) + " runs"}
			}
			all := p.Runs(a.Is.Maker, a.Is.Model, a.Is.Firmware)
			for _, o := range all {
				if o.Name != a.Name {
					lines = append(lines, fmt.Sprintf("%s (%s, %s) runs the same", o.Name, o.Tag, o.Title))
				}
			}
			return all, lines
		}),
		assetQuestion("reach", "Say who could reach an asset at a moment, with everybody's yes", func(p *policy.Plant, a policy.Asset, at time.Time) (any, []string) {
			all := p.ReachAt(a.Name, at, nil)
			lines := []string{at.In(p.Location()).Format("Mon 2006-01-02 15:04 MST") + ", with every gate saying yes:"}
			for _, r := range all {
				if r.Refused != "" {
					lines = append(lines, fmt.Sprintf("no   %s: %s", r.Target, r.Say))
					continue
				}
				lines = append(lines, fmt.Sprintf("yes  %s: %s; %s", r.Target, r.Rights, r.Quorum))
			}
			if len(all) == 0 {
				lines = append(lines, "there is no way in")
			}
			return all, lines
		}),
	}
}

func or(lines []string, none string) []string {
	if len(lines) == 0 {
		return []string{none}
	}
	return lines
}

func assetQuestion(name, short string, answer func(*policy.Plant, policy.Asset, time.Time) (any, []string)) *cobra.Command {
	var file, at string
	var asJSON bool
	c := &cobra.Command{Use: name + " ASSET --plant plant.yaml", Short: short, Args: exactly(1, "an asset, by its id"),
		RunE: func(c *cobra.Command, args []string) error {
			plant, problems, err := readPolicy(file)
			if err != nil {
				return err
			}
			if problems != nil {
				return refusePlant(c.ErrOrStderr(), file, problems, false)
			}
			a, ok := plant.Asset(policy.AssetName(args[0]))
			if !ok {
				return exit{exitNo, fmt.Errorf("there is no asset %q in %s", args[0], file)}
			}
			now := time.Now()
			if at != "" {
				if now, err = policy.Moment(at, now, plant.Location()); err != nil {
					return usage("--at: %w", err)
				}
			}
			v, lines := answer(plant, a, now)
			if asJSON {
				return printPolicyJSON(c.OutOrStdout(), v)
			}
			for _, l := range lines {
				fmt.Fprintln(c.OutOrStdout(), l)
			}
			return nil
		}}
	c.Flags().StringVar(&file, "plant", "plant.yaml", "the plant file")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	if name == "reach" {
		c.Flags().StringVar(&at, "at", "", `when: "Sun 02:00", "2026-12-20 10:00" or RFC 3339 (default: now)`)
	}
	return c
}

// assetHistoryCommand asks the broker: the plant file does not know what was done.
func assetHistoryCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "history ASSET", Short: "Show what vendors did on an asset, and what they said they changed", Args: exactly(1, "an asset, by its id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var q api.AssetQuestions
			if err := client.Get(cmd.Context(), "/assets/"+url.PathEscape(args[0]), &q); err != nil {
				return apiError(err)
			}
			return c.show(cmd, q.History, func(w *tabwriter.Writer) {
				if len(q.History) == 0 {
					fmt.Fprintln(w, "Nobody worked on it yet.")
				}
				for _, h := range q.History {
					fmt.Fprintf(w, "%s\t%s\t%s of %s\t%s\t%s\t%s\n", h.Window, local(h.Opened, c.zone), strings.Join(h.People, ", "), h.Firm, h.State, printable(h.Reason), printable(h.HandBack))
				}
			})
		}}
	c.flags(cmd)
	return cmd
}

// debtCommand is what the plant owes, as the broker knows it: also what nobody used.
func debtCommand() *cobra.Command {
	return listCommand("debt", "List what the plant still owes: places, backups, reviews, host keys, and what nobody uses", "/debt", "Nothing is owed.",
		func(w *tabwriter.Writer, d api.Debt, _ *time.Location) {
			age := "no date"
			if !d.Since.IsZero() {
				age = fmt.Sprintf("%d days", d.Days)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", d.Kind, age, d.What, printable(d.Text))
		})
}

// policyDebtCommand is the same from a file alone.
func policyDebtCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "debt FILE", Short: "List what a plant file still owes, the oldest first", Args: policyArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			plant, problems, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			if problems != nil {
				return refusePlant(c.ErrOrStderr(), args[0], problems, false)
			}
			now := time.Now()
			all := plant.Debts(now, policy.Known{})
			if asJSON {
				return printPolicyJSON(c.OutOrStdout(), emptyNotNull(all))
			}
			for _, d := range all {
				age := "no date"
				if !d.Since.IsZero() {
					age = fmt.Sprintf("%d days", int(now.Sub(d.Since)/(24*time.Hour)))
				}
				fmt.Fprintf(c.OutOrStdout(), "%-9s %-10s %s: %s\n", d.Kind, age, d.What, printable(d.Text))
			}
			if len(all) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "nothing is owed")
			}
			return nil
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}
