package main

import (
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/broker/api"
)

func windowCommands() []*cobra.Command {
	return []*cobra.Command{
		windowsCommand(), sessionsCommand(), watchCommand(), gatesCommand(), gateCommand(), escortCommand(), handoverCommand(), leftCommand(),
		windowStep("open", "Open an agreed window: the clock starts", withCode),
		windowStep("extend", "Move the end of an open window, inside what was asked", withCode),
		windowStep("step-up", "Give an emergency's second tap: the rights it did not begin with", withCode),
		windowStep("pause", "Hold the vendor's input; the clock runs on", withoutCode),
		narrowCommand(),
		windowStep("go-on", "Let a paused window go on", withCode),
		windowStep("end", "End a window in order", withoutCode),
		windowStep("cut", "Cut a window at once", withoutCode),
		windowStep("accept", "Take the vendor's hand-back; the window is closed", withoutCode),
	}
}

// windowStep is one verb on one window.
func windowStep(name, short string, need proof) *cobra.Command {
	var c caller
	var step api.Step
	var until, key, rights string
	var after bool
	cmd := &cobra.Command{Use: name + " W-1", Short: short, Args: exactly(1, "a window, such as W-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if key != "" {
				need = withoutCode
				if err := keyFile(key); err != nil {
					return err
				}
			}
			path := "/windows/" + url.PathEscape(args[0]) + "/" + name
			if after {
				path += "-after"
			}
			client, err := c.signIn(cmd.Context(), need)
			if err != nil {
				return err
			}
			if name == "extend" {
				if step.Until, err = parseTime(until, time.Now(), c.zone); err != nil {
					return err
				}
			}
			if name == "step-up" {
				step.Rights = strings.Split(rights, ",")
			}
			if key != "" {
				m := meant{by: c.as, says: name, window: args[0], until: step.Until}
				if step.Signed, err = signs(cmd, client, key, path, step, m, evidence.ParseRequest, readsRequest(args[0], c.zone)); err != nil {
					return err
				}
			}
			return sends(&c, cmd, client, path, step, func(t *tabwriter.Writer, w api.Window) { windowLine(t, w, c.zone) })
		}}
	c.doing(cmd)
	if name == "pause" {
		cmd.Flags().BoolVar(&after, "after-transfer", false, "once what is half done is done (at 100 %); nothing new begins meanwhile")
	}
	switch name {
	case "extend":
		cmd.Flags().StringVar(&key, "sign-with", "", signFlag)
		cmd.Flags().StringVar(&until, "until", "", "new end: +30m (from now), 05:10, 2026-11-22 05:10 or RFC 3339")
		_ = cmd.MarkFlagRequired("until") // only fails for a flag that is not there
	case "step-up":
		cmd.Flags().StringVar(&key, "sign-with", "", signFlag)
		cmd.Flags().StringVar(&rights, "rights", "", "what they may do besides, with commas: set,operate")
		_ = cmd.MarkFlagRequired("rights") // only fails for a flag that is not there
	case "accept":
		cmd.Flags().StringVar(&step.Out, "outside", "", "what it was used for, if that was outside its pattern's purpose; the second such use puts the pattern up for review")
	case "pause", "end", "cut":
		cmd.Flags().StringVar(&step.Why, "why", "", "what the vendor will read")
	}
	return cmd
}

// narrowCommand takes rights away from a window that runs.
func narrowCommand() *cobra.Command {
	var c caller
	var step api.Step
	cmd := &cobra.Command{Use: "narrow W-1 look[,copy…]", Short: "Leave a window that runs fewer rights, at once and for good: a shell's input is dropped, its output goes on",
		Args: exactly(2, "a window and the rights that stay, such as W-1 look"),
		RunE: func(cmd *cobra.Command, args []string) error {
			step.Rights = strings.Split(args[1], ",")
			return does(&c, cmd, withoutCode, "/windows/"+url.PathEscape(args[0])+"/narrow", itself(&step),
				func(t *tabwriter.Writer, w api.Window) { windowLine(t, w, c.zone) })
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&step.Why, "why", "", "what the vendor will read")
	return cmd
}

func windowLine(t *tabwriter.Writer, w api.Window, l *time.Location) {
	state := map[string]string{
		"agreed": agreedWords(w, l),
		"open":   "open, ends " + local(w.Until, l),
		"paused": "paused by " + w.By + ", ends " + local(w.Until, l) + "; go on or end",
		"ending": endingWords(w, l),
		"ended":  "ended, hand-back missing",
		"cut":    "cut by " + w.By + suffix(w.Why),
		"closed": "closed",
		"unused": "not used",
	}[w.State]
	if w.State == "ended" && w.NoBack {
		state = "ended, nothing to hand back, waits to be closed"
	}
	if w.State == "ended" && w.HandBack != "" {
		state = "ended, hand-back waits to be accepted: " + printable(w.HandBack)
	}
	if w.Pausing != "" && w.State == "open" {
		state = "open, is paused once its transfer is done, ends " + local(w.Until, l)
	}
	if w.Jack != "" {
		state = "on site, laptop " + printable(w.Laptop) + " at " + printable(w.Jack) + ": " + state
	} else if w.Laptop != "" {
		state = "on site, laptop " + printable(w.Laptop) + ", not recorded: " + state
		if w.State == "cut" || w.State == "ended" {
			state += "; see that the laptop is off"
		}
	}
	fmt.Fprintf(t, "%s\t%s\t%s of %s\t%s\t%s\n", w.ID, state, strings.Join(w.People, ", "), w.Firm,
		targetWords(w.Targets), strings.Join(w.Rights, ","))
}

// agreedWords says who opens a window, and when.
func agreedWords(w api.Window, l *time.Location) string {
	span := "any time from " + local(w.From, l) + " to " + local(w.To, l)
	switch {
	case w.Open == "vendor":
		return "agreed, opens when they fetch the certificate; " + span
	case w.Open == "auto" && w.Kept != "":
		return "agreed, opens by itself as soon as nothing keeps it: " + printable(w.Kept)
	case w.Open == "auto":
		return "agreed, opens by itself at " + local(w.From, l)
	}
	return "agreed, waits for the shift; " + span
}

// endingWords says what an "end" waits for.
func endingWords(w api.Window, l *time.Location) string {
	what := "what is half done"
	if len(w.HalfDone) > 0 {
		what = printable(strings.Join(w.HalfDone, ", "))
	}
	return fmt.Sprintf("ending: %s may finish, at most until %s; cut stops it now", what, local(w.Until, l))
}

func windowsCommand() *cobra.Command {
	return listCommand("windows", "List windows", "/windows", "No window was agreed.", leftLines)
}

func sessionsCommand() *cobra.Command {
	return listCommand("sessions", "List who is in now", "/sessions", "Nobody is in.", sessionLines)
}

func sessionLines(t *tabwriter.Writer, s api.Session, l *time.Location) {
	fmt.Fprintf(t, "%s\t%s of %s\tfrom %s\tsince %s\n", s.ID, s.Person, s.Firm, s.Source, local(s.Started, l))
	for _, ch := range s.Channels {
		held := ""
		if ch.Held {
			held = ", paused"
		}
		fmt.Fprintf(t, "  %d\t%s in %s\t%s\tends %s%s\n", ch.Number, ch.Kind, ch.Window,
			targetWords([]api.Target{ch.Target}), local(ch.Until, l), held)
	}
}

func blockCommands() []*cobra.Command {
	var c, ic caller
	var b api.Block
	var until string
	block := &cobra.Command{Use: "block", Short: "Refuse a person, a firm, an asset or a zone, now and until then",
		Example: `  penstock block --as mia --asset filler-plc --why "CIP running" --until 06:00`,
		Args:    exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return does(&c, cmd, withoutCode, "/blocks", func() (any, error) {
				var err error
				if until != "" {
					b.Until, err = parseTime(until, time.Now(), c.zone)
				}
				return b, err
			}, func(t *tabwriter.Writer, made api.Block) {
				fmt.Fprintf(t, "%s\tin force until %s; lift it with: penstock lift %s\n", made.ID, local(made.Until, c.zone), made.ID)
			})
		}}
	c.doing(block)
	f := block.Flags()
	f.StringVar(&b.Person, "person", "", "person")
	f.StringVar(&b.Firm, "firm", "", "firm")
	f.StringVar(&b.Asset, "asset", "", "asset")
	f.StringVar(&b.Zone, "zone", "", "zone")
	f.StringVar(&b.Why, "why", "", "what the vendor will read")
	f.StringVar(&until, "until", "", "end; without it the block stays until it is lifted")

	lift := liftCommand()

	var island api.Step
	isl := &cobra.Command{Use: "island", Short: "Let nobody in, and everybody out, now: of the plant or of one zone", Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return does(&ic, cmd, withoutCode, "/island", itself(&island), func(t *tabwriter.Writer, made api.Block) {
				where := "nobody is let in"
				if made.Zone != "" {
					where += " there"
				}
				fmt.Fprintf(t, "%s\t%s; two people lift it, each with: penstock lift %s\n", made.ID, where, made.ID)
			})
		}}
	ic.doing(isl)
	isl.Flags().StringVar(&island.Why, "why", "", "what vendors will read")
	isl.Flags().StringVar(&island.Zone, "zone", "", "only this zone; without it the whole plant")
	return []*cobra.Command{block, lift, isl}
}
