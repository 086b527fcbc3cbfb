package main

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/broker/api"
)

// patternCommands are what is agreed by day for the night.
func patternCommands() []*cobra.Command {
	cmd := &cobra.Command{Use: "pattern P-1", Short: "Show a pattern, propose one, withdraw it, or say that it was used outside its purpose", Args: exactly(1, "a pattern, such as P-1")}
	var c caller
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := c.signIn(cmd.Context(), withoutCode)
		if err != nil {
			return err
		}
		var p api.Pattern
		if err := client.Get(cmd.Context(), "/patterns/"+url.PathEscape(args[0]), &p); err != nil {
			return apiError(err)
		}
		return c.show(cmd, p, func(w *tabwriter.Writer) { patternLines(c.zone)(w, p) })
	}
	c.flags(cmd)
	cmd.AddCommand(patternProposeCommand(), patternStepCommand("withdraw P-1", "Take a pattern back, at once", "a pattern, such as P-1", "/patterns/", "/withdraw"),
		patternStepCommand("doubt W-1", "Say that a window was used outside its pattern's purpose; the second puts the pattern up for review", "a window, such as W-1", "/windows/", "/doubt"))
	return []*cobra.Command{cmd, listCommand("patterns", "List what was agreed by day for the night", "/patterns", "No pattern was proposed.",
		func(w *tabwriter.Writer, p api.Pattern, l *time.Location) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, patternState(p, l), p.Frame, p.Firm, strings.Join(p.Rights, ","), printable(p.Purpose))
		})}
}

func patternState(p api.Pattern, l *time.Location) string {
	switch {
	case p.State == "waiting":
		var roles []string
		for _, n := range p.Left {
			roles = append(roles, n.Role)
		}
		return "waits for " + strings.Join(roles, ", ")
	case p.State == "agreed" && p.Unfit != "":
		return "agreed, and does not fit the plant file: " + printable(p.Unfit)
	case p.State == "agreed":
		return "stands, to " + local(earlierOf(p.Until, p.Review), l)
	case p.State == "review":
		return "up for review: agree it again"
	}
	return p.State
}

func earlierOf(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func patternLines(l *time.Location) func(*tabwriter.Writer, api.Pattern) {
	return func(w *tabwriter.Writer, p api.Pattern) {
		fmt.Fprintf(w, "%s\t%s\n", p.ID, patternState(p, l))
		fmt.Fprintf(w, "for\t%s\n", printable(p.Purpose))
		fmt.Fprintf(w, "frame\t%s of the plant file\n", p.Frame)
		fmt.Fprintf(w, "who\t%s of %s\n", strings.Join(p.People, ", "), p.Firm)
		fmt.Fprintf(w, "what\t%s: %s, %d minutes at a time\n", targetWords(p.Targets), strings.Join(p.Rights, ","), p.Minutes)
		if len(p.Gates) > 0 {
			fmt.Fprintf(w, "gates\t%s, besides those of the rules\n", strings.Join(p.Gates, ", "))
		}
		fmt.Fprintf(w, "ends\t%s, review %s\n", local(p.Until, l), local(p.Review, l))
		for _, n := range p.Needs {
			fmt.Fprintf(w, "must agree\t%d × %s (%s)\n", n.Count, n.Role, n.Rule)
		}
		for _, a := range p.Answers {
			fmt.Fprintf(w, "%s\t%s as %s, %s%s\n", a.Says, a.Person, a.Role, local(a.At, l), suffix(a.Why))
		}
		for _, d := range p.Doubts {
			fmt.Fprintf(w, "outside\t%s, said by %s: %s\n", d.Window, d.By, printable(d.Why))
		}
		if p.OverBy != "" {
			fmt.Fprintf(w, "over\t%s, by %s%s\n", local(p.Over, l), p.OverBy, suffix(cmp.Or(p.Why, p.Follower)))
		}
		if len(p.Windows) > 0 {
			fmt.Fprintf(w, "used\t%s\n", strings.Join(p.Windows, ", "))
		}
		if len(p.Words) == 8 {
			fmt.Fprintf(w, "its words\t%s\n", strings.Join(p.Words, " "))
		}
	}
}

func patternProposeCommand() *cobra.Command {
	var c caller
	var p api.Pattern
	var targets []string
	var rights, until, review string
	cmd := &cobra.Command{Use: "propose", Short: "Put a pattern before those who must agree to it by day",
		Long: "A pattern lies in a frame of the plant file (patterns:). Whose yes it will stand for at night must agree, the\n" +
			"owner of each asset's zone, the frame's owners and OT security: on the page, or by penstock answer P-1 yes.",
		Example: `  penstock pattern propose --as lena --frame filler-callout --firm krall --person ann --target recipes@filler-plc \
    --rights look,set --minutes 120 --purpose "Alarm F-417: fill volume drifts"`,
		Args: exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			if p.Targets, err = parseTargets(targets); err != nil {
				return err
			}
			p.Rights = strings.Split(rights, ",")
			for s, to := range map[string]*time.Time{until: &p.Until, review: &p.Review} {
				if s == "" {
					continue
				}
				if *to, err = parseTime(s, time.Now(), c.zone); err != nil {
					return err
				}
			}
			return sends(&c, cmd, client, "/patterns", p, patternLines(c.zone))
		}}
	c.doing(cmd)
	f := cmd.Flags()
	f.StringVar(&p.Frame, "frame", "", "its frame in the plant file (patterns:)")
	f.StringVar(&p.Follows, "follows", "", "the pattern that it takes the place of, once it is agreed")
	f.StringVar(&p.Firm, "firm", "", "firm of those on call")
	f.StringSliceVar(&p.People, "person", nil, "who is on call; may be repeated")
	f.StringSliceVar(&targets, "target", nil, "account@asset, or asset:port; may be repeated")
	f.StringVar(&rights, "rights", "look", "rights, with commas: look,copy,set,operate,load,device")
	f.IntVar(&p.Minutes, "minutes", 60, "how long a window is at most")
	f.StringSliceVar(&p.Gates, "gate", nil, "a gate that is asked besides those of the rules; may be repeated")
	f.StringVar(&p.Purpose, "purpose", "", "what for")
	f.StringVar(&until, "until", "", "when it ends; without it when its frame is looked at again")
	f.StringVar(&review, "review", "", "until when it is agreed again; likewise")
	return cmd
}

func patternStepCommand(use, short, what, path, verb string) *cobra.Command {
	var c caller
	var step api.Step
	cmd := &cobra.Command{Use: use, Short: short, Args: exactly(1, what),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withoutCode, path+url.PathEscape(args[0])+verb, itself(&step), func(w *tabwriter.Writer, p api.Pattern) { patternLines(c.zone)(w, p) })
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&step.Why, "why", "", "why")
	return cmd
}

// answerPattern answers exactly the pattern that is there now; its text never
// changes. With a key the person signs the very bytes whose words are shown.
func answerPattern(c *caller, cmd *cobra.Command, client *api.Client, id, key string, a api.Answer) error {
	path := "/patterns/" + url.PathEscape(id)
	var p api.Pattern
	if err := client.Get(cmd.Context(), path, &p); err != nil {
		return apiError(err)
	}
	a.Document = cmp.Or(a.Document, p.Document)
	if key != "" {
		var err error
		m := meant{by: c.as, says: a.Says, text: a.Document}
		a.Signed, err = signs(cmd, client, key, path+"/answer", a, m, evidence.ParsePattern, func(a evidence.Answer, p evidence.Pattern) ([]string, error) { return signedPattern(id, a, p, c.zone) })
		if err != nil {
			return err
		}
	}
	return sends(c, cmd, client, path+"/answer", a, patternLines(c.zone))
}

func signedPattern(id string, a evidence.Answer, p evidence.Pattern, zone *time.Location) ([]string, error) {
	if p.Pattern != id {
		return nil, errNotMeant
	}
	var ways []string
	for _, t := range p.Assets {
		ways = append(ways, t.String())
	}
	return []string{fmt.Sprintf("You sign: %s, as %s, to pattern %s by %s of %s: from then on one yes of the shift stands for yours.", a.Says, a.Role, p.Pattern, p.By, local(p.At, zone)),
		"  for: " + printable(p.Purpose), "  who: " + strings.Join(p.People, ", ") + " of " + p.Firm, "  ways in: " + strings.Join(ways, "; "),
		fmt.Sprintf("  rights: %s, %d minutes at a time", strings.Join(p.Rights, ", "), p.Minutes), "  until: " + local(p.Until, zone) + ", review " + local(p.Review, zone)}, nil
}
