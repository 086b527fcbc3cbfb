package main

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

func firmCommand() *cobra.Command {
	var c caller
	var f api.Firm
	var until string
	cmd := &cobra.Command{Use: "firm FIRM", Short: "Make or change a firm: name, sponsor, networks, end of contract",
		Example: `  penstock people firm krall --name "Krall Fillers" --sponsor olaf --network 198.51.100.0/24 --until 2027-03-31T00:00:00Z --as sec`,
		Args:    exactly(1, "a firm"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.ID = args[0]
			return does(&c, cmd, withCode, "/firms", func() (any, error) {
				var err error
				if until != "" {
					f.Until, err = parseTime(until, time.Now(), c.zone)
				}
				return f, err
			}, func(w *tabwriter.Writer, made api.Firm) {
				fmt.Fprintf(w, "%s\t%s\tsponsor %s\tfrom %s\tuntil %s\n", made.ID, printable(made.Name), made.Sponsor,
					strings.Join(made.Networks, ", "), local(made.Until, c.zone))
			})
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&f.Name, "name", "", "its name")
	cmd.Flags().StringVar(&f.Sponsor, "sponsor", "", "person of the plant who vouches for it")
	cmd.Flags().StringSliceVar(&f.Networks, "network", nil, "network it comes from; may be repeated")
	cmd.Flags().StringVar(&until, "until", "", "end of its contract")
	return cmd
}

func termsCommand() *cobra.Command {
	var c caller
	var file string
	var days int
	var none bool
	cmd := &cobra.Command{Use: "terms FIRM", Short: "Show the terms that a firm's people accept, or write them anew",
		Example: `  penstock people terms krall --file terms.txt --days 365 --as sec`,
		Args:    exactly(1, "a firm"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/firms/" + url.PathEscape(args[0]) + "/terms"
			if file == "" && !none {
				client, err := c.signIn(cmd.Context(), withoutCode)
				if err != nil {
					return err
				}
				var t api.Terms
				if err := client.Get(cmd.Context(), path, &t); err != nil {
					return apiError(err)
				}
				return c.show(cmd, t, func(w *tabwriter.Writer) {
					if t.Text == "" {
						fmt.Fprintln(w, "It has none.")
						return
					}
					for line := range strings.Lines(t.Text) {
						fmt.Fprintln(w, printable(strings.TrimRight(line, "\n")))
					}
					fmt.Fprintf(w, "\n%s, accepted for %d days\n", t.Hash, t.Days)
				})
			}
			in := api.Terms{Days: days}
			if file != "" {
				text, err := os.ReadFile(file)
				if err != nil {
					return fmt.Errorf("read the terms: %w", err)
				}
				in.Text = string(text)
			}
			return does(&c, cmd, withCode, path, itself(&in), func(w *tabwriter.Writer, f api.Firm) {
				if f.Terms == "" {
					fmt.Fprintf(w, "%s has no terms now.\n", f.ID)
					return
				}
				fmt.Fprintf(w, "%s: %s, accepted for %d days. Whoever has not accepted this text does so before they work again:\nssh desk@… terms\n", f.ID, f.Terms, f.Days)
			})
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&file, "file", "", "the new text, UTF-8")
	cmd.Flags().IntVar(&days, "days", 365, "how long an acceptance is good")
	cmd.Flags().BoolVar(&none, "none", false, "ask for none any more")
	cmd.MarkFlagsMutuallyExclusive("file", "none")
	return cmd
}

func trainingCommand() *cobra.Command {
	var c caller
	var until string
	var gone bool
	cmd := &cobra.Command{Use: "training PERSON NAME", Short: "Write down that a person has a training, and until when it is good",
		Example: `  penstock people training ann site-safety --until 2027-03-31 --as jan`,
		Args:    exactly(2, "a person and the training's name, as the plant file's rules have it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (until == "") != gone {
				return usage("say --until DAY, or --gone")
			}
			return does(&c, cmd, withCode, "/people/"+url.PathEscape(args[0])+"/training", func() (any, error) {
				in := api.Training{Name: args[1]}
				if day, err := time.ParseInLocation(time.DateOnly, until, c.zone); err == nil {
					in.Until = day.AddDate(0, 0, 1)
				} else if until != "" {
					return nil, usage("--until is the last day, such as 2027-03-31; not %q", until)
				}
				return in, nil
			}, func(w *tabwriter.Writer, p api.Person) {
				personLine(w, p)
				for _, t := range p.Training {
					fmt.Fprintf(w, "  training\t%s\tto %s\n", t.Name, local(t.Until, c.zone))
				}
			})
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&until, "until", "", "the last day on which it is good")
	cmd.Flags().BoolVar(&gone, "gone", false, "they have it no longer")
	return cmd
}

func endingsCommand() *cobra.Command {
	return listCommand("endings", "List contracts, acceptances of terms and trainings that end within 30 days, or have ended", "/endings", "Nothing ends soon.",
		func(w *tabwriter.Writer, e api.Ending, zone *time.Location) {
			who := e.Firm
			if e.Person != "" {
				who += "/" + e.Person
			}
			fmt.Fprintf(w, "%s\t%s\t%s\tsponsor %s\n", who, printable(e.What), local(e.Until, zone), e.Sponsor)
		})
}
