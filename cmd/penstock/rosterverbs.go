package main

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/calendar"
	"penstock/approvals/evidence"
	"penstock/broker/api"
)

func rosterCommand() *cobra.Command {
	cmd := listCommand("roster", "Who is on duty: show it, write it, import it, and name a deputy", "/roster", "There is no team.",
		func(w *tabwriter.Writer, r api.Roster, l *time.Location) {
			if r.Kept || len(r.Deputies) > 0 {
				rosterLines(l)(w, r)
			}
		})
	cmd.AddCommand(rosterImportCommand(), rosterTurnCommand("put", "Put somebody on duty", "turns"), rosterTurnCommand("take-out", "Take one turn out", "drop"),
		rosterOffCommand(), deputyCommand(), deputyEndCommand())
	return cmd
}

func rosterLines(l *time.Location) func(*tabwriter.Writer, api.Roster) {
	return func(w *tabwriter.Writer, r api.Roster) {
		now := strings.Join(r.Now, ", ")
		if now == "" {
			now = "NOBODY"
		}
		fmt.Fprintf(w, "%s\ton duty now: %s\n", r.Team, now)
		for _, t := range r.Turns[:min(len(r.Turns), 12)] {
			fmt.Fprintf(w, "  %s\t%s to %s\n", t.Person, local(t.From, l), local(t.To, l))
		}
		if more := len(r.Turns) - 12; more > 0 {
			fmt.Fprintf(w, "  and %d more, to %s\n", more, local(r.Turns[len(r.Turns)-1].To, l))
		}
		for _, d := range r.Deputies {
			fmt.Fprintf(w, "  %s\tfor %s until %s\n", d.Person, d.For, local(d.Until, l))
		}
	}
}

func teamPath(team, rest string) string { return "/roster/" + url.PathEscape(team) + rest }

func rosterImportCommand() *cobra.Command {
	var c caller
	var who map[string]string
	var days int
	var dry bool
	cmd := &cobra.Command{Use: "import TEAM FILE.ics", Short: "Write a team's whole roster out of a calendar",
		Long: `Reads an iCalendar file (RFC 5545): each event is a turn, and its summary says whose, by short name
or name. What the calendar says for the next days replaces what stood in the roster. A summary that is
nobody's, or anything that cannot be read, changes nothing: half a roster is a hole at night.`,
		Example: `  penstock roster import shift shift.ics --dry-run --as olaf
  penstock roster import shift shift.ics --who "M. Voss=mia" --as olaf`,
		Args: exactly(2, "a team and a calendar file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[1])
			if err != nil {
				return fmt.Errorf("read the calendar: %w", err)
			}
			need := withCode
			if dry {
				need = withoutCode
			}
			client, err := c.signIn(cmd.Context(), need)
			if err != nil {
				return err
			}
			var all []api.Person
			if err := client.Get(cmd.Context(), "/people", &all); err != nil {
				return apiError(err)
			}
			now := time.Now()
			turns, err := calendar.Turns(cmd.Context(), text, now, now.AddDate(0, 0, days), c.zone, calendar.Whose(teamOf(all, args[0]), who))
			if err != nil {
				return fmt.Errorf("nothing was written (--who says whose a summary is): %w", err)
			}
			r := api.Roster{Team: args[0], Kept: true}
			for _, t := range turns {
				r.Turns = append(r.Turns, api.Turn(t))
			}
			if dry {
				return c.show(cmd, r, turnLines(turns, now, c.zone))
			}
			r.Kept = false
			return sends(&c, cmd, client, teamPath(args[0], ""), r, rosterLines(c.zone))
		}}
	c.flags(cmd)
	cmd.Flags().StringToStringVar(&who, "who", nil, `whose turn a summary is: "M. Voss=mia"; may be repeated`)
	cmd.Flags().IntVar(&days, "days", 60, "how many days ahead are written; 500 turns at most")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only show what would be written, and where nobody would be on duty")
	return cmd
}

// turnLines are who would be on duty, and when nobody would.
func turnLines(turns []evidence.Turn, now time.Time, zone *time.Location) func(*tabwriter.Writer) {
	return func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "%d turns, nothing is written:\n", len(turns))
		for _, t := range turns {
			fmt.Fprintf(w, "  %s\t%s to %s\n", t.Person, local(t.From, zone), local(t.To, zone))
		}
		for _, h := range calendar.Holes(turns, now) {
			fmt.Fprintf(w, "  NOBODY\t%s to %s\n", local(h.From, zone), local(h.To, zone))
		}
	}
}

// teamOf are those who hold a team's role.
func teamOf(all []api.Person, team string) (list []calendar.Member) {
	for _, p := range all {
		if !p.Disabled && slices.Contains(p.Roles, team) {
			list = append(list, calendar.Member{ID: p.ID, Name: p.Name})
		}
	}
	return list
}

func rosterTurnCommand(name, short, path string) *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: name + " TEAM PERSON FROM TO", Short: short,
		Example: `  penstock roster ` + name + ` shift mia "2026-11-22 22:00" "2026-11-23 06:00" --as olaf`,
		Args:    exactly(4, "a team, a person, and from when to when"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			t := api.Turn{Person: args[1]}
			now := time.Now()
			if t.From, err = parseTime(args[2], now, c.zone); err != nil {
				return err
			}
			if t.To, err = parseTime(args[3], now, c.zone); err != nil {
				return err
			}
			return sends(&c, cmd, client, teamPath(args[0], "/"+path), t, rosterLines(c.zone))
		}}
	c.flags(cmd)
	return cmd
}

func rosterOffCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "off TEAM", Short: "Keep no roster for a team: whoever holds its role counts at any hour",
		Args: exactly(1, "a team"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			return sends(&c, cmd, client, teamPath(args[0], ""), api.Roster{Team: args[0], Off: true}, rosterLines(c.zone))
		}}
	c.flags(cmd)
	return cmd
}

func deputyCommand() *cobra.Command {
	var c caller
	var until, from string
	cmd := &cobra.Command{Use: "deputy TEAM PERSON --until TIME", Short: "Let somebody stand in for you in a team; your own word does not count there meanwhile",
		Example: `  penstock roster deputy line-1-owner jan --until "2026-11-29 06:00" --as olaf`,
		Args:    exactly(2, "a team of yours and a person"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			d := api.Deputy{Person: args[1]}
			now := time.Now()
			if d.Until, err = parseTime(until, now, c.zone); err != nil {
				return err
			}
			if d.From = now; from != "" {
				if d.From, err = parseTime(from, now, c.zone); err != nil {
					return err
				}
			}
			return sends(&c, cmd, client, teamPath(args[0], "/deputy"), d, rosterLines(c.zone))
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&until, "until", "", "until when, 31 days at most")
	cmd.Flags().StringVar(&from, "from", "", "from when; default: now")
	_ = cmd.MarkFlagRequired("until") // only fails for a flag that is not there
	return cmd
}

func deputyEndCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "deputy-end TEAM FOR PERSON", Short: "End it earlier that PERSON stands in for FOR",
		Args: exactly(3, "a team, whom they stand in for, and who"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			return sends(&c, cmd, client, teamPath(args[0], "/deputy/end"), api.Deputy{For: args[1], Person: args[2]}, rosterLines(c.zone))
		}}
	c.flags(cmd)
	return cmd
}
