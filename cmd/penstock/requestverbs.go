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

func requestCommands() []*cobra.Command {
	return []*cobra.Command{requestCommand(), requestsCommand(), callInCommand(), tellCommand(), answerCommand()}
}

func requestCommand() *cobra.Command {
	var c caller
	var ask api.Ask
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "request [R-1]",
		Short: "Ask for access for a firm's people, or show one request",
		Example: `  penstock request --as mia --firm krall --person ann --target maint@filler-plc \
    --rights look,set --minutes 120 --why "Alarm F-417"
  penstock request R-1 --as mia`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			l := c.zone
			var q api.Request
			if len(args) == 1 {
				if err := client.Get(cmd.Context(), "/requests/"+url.PathEscape(args[0]), &q); err != nil {
					return apiError(err)
				}
				return c.show(cmd, q, func(w *tabwriter.Writer) { requestLines(l)(w, q) })
			}
			if err := flags.fill(&ask, l); err != nil {
				return err
			}
			return sends(&c, cmd, client, "/requests", ask, requestLines(l))
		},
	}
	c.doing(cmd)
	flags.bind(cmd, &ask)
	return cmd
}

// askFlags are the flags of what is asked for that are no plain text.
type askFlags struct {
	targets          []string
	rights, from, to string
	emergency        bool
	onSite           string // the laptop
	jack             string
	standing         api.Machine
	connectivity     bool
	exception        bool
}

func (a *askFlags) bind(cmd *cobra.Command, ask *api.Ask) {
	f := cmd.Flags()
	f.StringVar(&ask.Firm, "firm", "", "firm of the people who will work")
	f.StringSliceVar(&ask.People, "person", nil, "who will work; may be repeated")
	f.StringSliceVar(&a.targets, "target", nil, "account@asset, or asset:port; may be repeated")
	f.StringVar(&ask.Pattern, "pattern", "", "the pattern to ask under, such as P-1; none: under none; without it the first that it lies inside")
	f.StringVar(&a.rights, "rights", "look", "rights, with commas: look,copy,set,operate,load,device")
	f.StringVar(&ask.Reason, "why", "", "why")
	f.StringVar(&ask.WorkOrder, "work-order", "", "work order")
	f.BoolVar(&ask.Drill, "drill", false, "an exercise of the plant's: as real as any, and counted in no measure")
	f.StringVar(&ask.Happening, "now", "", "what is happening there: safety (a safety function is degraded), stopped, degraded or planned; the priority follows from it")
	f.StringVar(&ask.Change, "change", "", "change number")
	f.StringVar(&ask.Backup, "backup", "", "which backup there is")
	f.StringVar(&ask.Backout, "backout", "", "the way back if it fails")
	f.StringVar(&ask.AreaClear, "area-clear", "", "who says that nobody stands at the machine")
	f.StringSliceVar(&ask.FileHashes, "file-hash", nil, "SHA-256 of a file that will be brought; may be repeated: where files wait, it is released by itself once it was looked at")
	f.StringArrayVar(&ask.Registers, "register", nil, "register that alone may be changed, by its name in the plant file; may be repeated, with \"asset: \" before it where two machines have it")
	f.BoolVar(&a.emergency, "emergency", false, "the quick way: one yes of the shift, look first, a second tap for more; everybody who must know is told, and it is reviewed")
	f.StringVar(&a.onSite, "on-site", "", "the name or tag of a laptop that comes to the machine itself: agreed and opened like any other, and not recorded; --target names the machine alone")
	f.StringVar(&a.jack, "jack", "", "with --on-site: the plant file's service jack that the laptop works through; then it is recorded, and --target names ways in")
	f.BoolVar(&a.exception, "exception", false, "outside a calendar, or for longer than the rules allow: both owners of the way and OT security agree, each by a key")
	f.BoolVar(&a.connectivity, "connectivity", false, "only try whether the way works, before the job: reached, host key compared, logged in, closed; nothing passes, half an hour at most, and the shift alone agrees")
	f.StringVar(&a.standing.Frame, "standing", "", "the plant file's frame in which a machine shall come in day and night; --person names the machine, --to its last day")
	f.StringVar(&a.standing.Keeper, "keeper", "", "of a standing agreement: who at the firm answers for the machine")
	f.StringSliceVar(&a.standing.Networks, "network", nil, "of a standing agreement: whence the machine comes, such as 198.51.100.7/32; may be repeated")
	f.IntVar(&ask.Minutes, "minutes", 60, "how long, once it is open")
	f.StringVar(&a.from, "from", "+1s", "earliest start: +90m, 22:00, 2026-11-22 22:00 or RFC 3339")
	f.StringVar(&a.to, "to", askTo, "latest end")
}

const askTo = "+12h"

func (a *askFlags) fill(ask *api.Ask, l *time.Location) (err error) {
	if a.jack != "" && a.onSite == "" {
		return usage("a service jack is for a laptop on site: say which laptop, --on-site NAME")
	}
	if a.onSite != "" {
		ask.Kind, ask.Laptop, ask.Jack = "on-site", a.onSite, a.jack
	}
	if a.onSite != "" && a.jack == "" {
		for _, asset := range a.targets {
			if strings.ContainsAny(asset, "@:") {
				return usage("on site %q has no account and no port: say the asset alone", asset)
			}
			ask.Targets = append(ask.Targets, api.Target{Asset: asset})
		}
	} else if ask.Targets, err = parseTargets(a.targets); err != nil {
		return err
	}
	ask.Rights = strings.Split(a.rights, ",")
	if a.emergency && a.onSite != "" || a.connectivity && (a.emergency || a.onSite != "") {
		return usage("--emergency, --on-site and --connectivity are three different things: leave all but one out")
	}
	if a.exception {
		if ask.Kind != "" || a.connectivity || a.emergency {
			return usage("an exception is access from outside: leave --on-site, --connectivity and --emergency out")
		}
		ask.Kind = "exception"
	}
	if a.connectivity {
		ask.Kind, ask.Minutes = "connectivity", min(ask.Minutes, 30)
	}
	if a.emergency {
		ask.Kind = "emergency"
	}
	now := time.Now()
	if a.standing.Frame != "" {
		return a.stand(ask, now, l)
	}
	if ask.From, err = parseTime(a.from, now, l); err != nil {
		return err
	}
	ask.To, err = parseTime(a.to, now, l)
	return err
}

// stand is what a standing agreement has in place of minutes and a span: until
// its last day, confirmed as often as its frame says.
func (a *askFlags) stand(ask *api.Ask, now time.Time, l *time.Location) (err error) {
	if ask.Kind != "" {
		return usage("a standing agreement is for a machine from outside: leave --on-site and --emergency out")
	}
	ask.Kind, ask.Machine, ask.Minutes = "standing", &a.standing, 0
	if a.to != askTo {
		ask.To, err = parseTime(a.to, now, l)
	}
	return err
}

func tellCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "tell R-1 TEXT", Short: "Answer a question about a request of yours",
		Args: exactly(2, "a request and what you say"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			return sends(&c, cmd, client, "/requests/"+url.PathEscape(args[0])+"/tell", api.Told{Text: args[1]}, requestLines(c.zone))
		}}
	c.doing(cmd)
	return cmd
}

func callInCommand() *cobra.Command {
	var c caller
	var ask api.Ask
	var flags askFlags
	cmd := &cobra.Command{
		Use:   "call-in [R-1]",
		Short: "Call a firm's people in: the ask and your own yes in one; or make a new code for R-1",
		Example: `  penstock call-in --as mia --firm krall --person ann --target viewer@filler-plc --rights look --minutes 60 --why "Alarm F-417"
  penstock call-in R-1 --as mia`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			lines := func(w *tabwriter.Writer, made api.Call) {
				fmt.Fprintf(w, "%s\t%s\n", made.Request, made.State)
				fmt.Fprintf(w, "Read this code out on the phone; it is good once, to %s:\n\n    %s\n\nThey type:\n\n    %s\n", local(made.Until, c.zone), made.Code, made.Line)
			}
			if len(args) == 1 {
				return sends(&c, cmd, client, "/requests/"+url.PathEscape(args[0])+"/call", api.Step{}, lines)
			}
			if err := flags.fill(&ask, c.zone); err != nil {
				return err
			}
			return sends(&c, cmd, client, "/call-in", ask, lines)
		},
	}
	c.doing(cmd)
	flags.bind(cmd, &ask)
	return cmd
}

func parseTargets(list []string) ([]api.Target, error) {
	var out []api.Target
	for _, s := range list {
		if account, asset, ok := strings.Cut(s, "@"); ok {
			out = append(out, api.Target{Asset: asset, Port: "ssh", Account: account})
		} else if asset, port, ok := strings.Cut(s, ":"); ok {
			out = append(out, api.Target{Asset: asset, Port: port})
		} else {
			return nil, usage("%q is no target: say account@asset, or asset:port", s)
		}
	}
	return out, nil
}

func requestLines(l *time.Location) func(*tabwriter.Writer, api.Request) {
	return func(w *tabwriter.Writer, q api.Request) {
		fmt.Fprintf(w, "%s\t%s, revision %d\n", q.ID, q.State, q.Rev)
		fmt.Fprintf(w, "who\t%s of %s\n", strings.Join(q.Ask.People, ", "), q.Ask.Firm)
		fmt.Fprintf(w, "where\t%s\n", targetWords(q.Ask.Targets))
		fmt.Fprintf(w, "may\t%s\n", strings.Join(q.Ask.Rights, ", "))
		if q.Ask.Laptop != "" {
			recorded := "not recorded"
			if q.Ask.Jack != "" {
				recorded = "recorded, at the service jack " + printable(q.Ask.Jack)
			}
			fmt.Fprintf(w, "ON SITE\twith the laptop %s; %s\n", printable(q.Ask.Laptop), recorded)
		}
		if q.Ask.Kind == "exception" {
			fmt.Fprintf(w, "EXCEPTION\twaives %s\n", strings.Join(q.Ask.Waives, ", "))
		}
		if m := q.Ask.Machine; m != nil {
			fmt.Fprintf(w, "STANDING\ta machine, day and night, without a code: keeper %s, from %s, frame %s, key %s\n", m.Keeper, strings.Join(m.Networks, ", "), printable(m.Frame), printable(m.Key))
		}
		if len(q.Ask.Starts) > 0 {
			fmt.Fprintf(w, "EMERGENCY\tbegins with %s; the rest by a second tap\n", strings.Join(q.Ask.Starts, ", "))
			if len(q.Ask.Waives) > 0 {
				fmt.Fprintf(w, "waived\t%s\n", strings.Join(q.Ask.Waives, ", "))
			}
		}
		fmt.Fprintf(w, "why\t%s\n", printable(q.Ask.Reason))
		for _, x := range []struct{ name, text string }{{"work order", q.Ask.WorkOrder}, {"change", q.Ask.Change},
			{"backup", q.Ask.Backup}, {"way back", q.Ask.Backout}, {"area clear", q.Ask.AreaClear}} {
			if x.text != "" {
				fmt.Fprintf(w, "%s\t%s\n", x.name, printable(x.text))
			}
		}
		for _, sum := range q.Ask.FileHashes {
			fmt.Fprintf(w, "file by hash\t%s, released by itself once it was looked at\n", printable(sum))
		}
		fmt.Fprintf(w, "when\t%d min, between %s and %s\n", q.Ask.Minutes, local(q.Ask.From, l), local(q.Ask.To, l))
		if len(q.Words) >= 2 {
			fmt.Fprintf(w, "say on the phone\t%s\n", strings.ToUpper(strings.Join(q.Words[:2], " ")))
		}
		for _, a := range q.Answers {
			fmt.Fprintf(w, "answer\t%s (%s) said %s %s%s%s\n", a.Person, a.Role, a.Says, local(a.At, l), map[string]string{"totp": ", by a code (the server's word)", "webauthn": ", signed with a passkey", "sshsig": ", signed with an SSH key"}[a.Proof], suffix(a.Why))
		}
		for _, t := range q.Told {
			fmt.Fprintf(w, "says\t%s: %s %s\n", t.Person, printable(t.Text), local(t.At, l))
		}
		if u := q.Under; u != nil && u.Stands {
			fmt.Fprintf(w, "under\t%s (%s): %s\n", u.ID, u.Frame, printable(u.Purpose))
		} else if u != nil {
			fmt.Fprintf(w, "under\t%s, which does not count: %s\n", u.ID, printable(u.Why))
		}
		for _, n := range q.Needs {
			fmt.Fprintf(w, "waits for\t%d × %s (rule %s)\n", n.Count, n.Role, n.Rule)
		}
		if q.Window != "" {
			fmt.Fprintf(w, "window\t%s\n", q.Window)
		}
	}
}

func suffix(why string) string {
	if why == "" {
		return ""
	}
	return ": " + printable(why)
}

func requestsCommand() *cobra.Command {
	return listCommand("requests", "List requests", "/requests", "Nothing was asked for.",
		func(w *tabwriter.Writer, q api.Request, l *time.Location) {
			fmt.Fprintf(w, "%s\t%s\t%s of %s\t%s\t%s\t%s\n", q.ID, q.State, strings.Join(q.Ask.People, ", "),
				q.Ask.Firm, targetWords(q.Ask.Targets), strings.Join(q.Ask.Rights, ","), local(q.At, l))
		})
}

func answerCommand() *cobra.Command {
	var c caller
	var a api.Answer
	var targets []string
	var rights, until, notBefore, key string
	cmd := &cobra.Command{
		Use:   "answer R-1 yes|no|not-before|question",
		Short: "Answer a request, a pattern or a change of the plant file; a yes to a request may be limited",
		Example: `  penstock answer R-1 yes --as olaf
  penstock answer R-1 yes --as mia --rights look --minutes 30
  penstock answer R-1 yes --as mia --sign-with ~/.ssh/id_ed25519
  penstock answer R-1 no --as mia --why "CIP is running"
  penstock answer C-1 yes --as olaf        # a change of the plant file
  penstock answer R-1 yes --as mia --spoken jan   # jan said it on the telephone
  penstock answer P-1 yes --as olaf        # a pattern: what is agreed by day for the night`,
		Args: exactly(2, "a request and what you say: yes, no, not-before or question"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.Says = args[1]
			need := withoutCode
			if a.Says == "yes" && key == "" {
				need = withCode
			}
			if err := keyFile(key); key != "" && err != nil {
				return err
			}
			client, err := c.signIn(cmd.Context(), need)
			if err != nil {
				return err
			}
			switch {
			case strings.HasPrefix(args[0], "C-"):
				return answerChange(&c, cmd, client, args[0], key, a)
			case strings.HasPrefix(args[0], "P-"):
				return answerPattern(&c, cmd, client, args[0], key, a)
			}
			path := "/requests/" + url.PathEscape(args[0])
			l, now := c.zone, time.Now()
			var q api.Request
			if err := client.Get(cmd.Context(), path, &q); err != nil {
				return apiError(err)
			}
			// The answer is to exactly what is shown here, and to nothing that replaced it meanwhile.
			if a.Document == "" {
				a.Document = q.Document
			}
			if a.Limits.Targets, err = parseTargets(targets); err != nil {
				return err
			}
			if rights != "" {
				a.Limits.Rights = strings.Split(rights, ",")
			}
			if until != "" {
				if a.Limits.Until, err = parseTime(until, now, l); err != nil {
					return err
				}
			}
			if notBefore != "" {
				if a.NotBefore, err = parseTime(notBefore, now, l); err != nil {
					return err
				}
			}
			if key != "" {
				m := meant{by: c.as, says: a.Says, text: a.Document, heard: a.Spoken, limits: a.Limits}
				if a.Signed, err = signs(cmd, client, key, path, a, m, evidence.ParseRequest, readsRequest(args[0], l)); err != nil {
					return err
				}
			}
			return sends(&c, cmd, client, path+"/answer", a, requestLines(l))
		},
	}
	c.doing(cmd)
	f := cmd.Flags()
	f.StringVar(&a.Role, "role", "", "role in which you answer, if you hold several that are needed")
	f.StringVar(&a.Why, "why", "", "why")
	f.StringVar(&a.Document, "document", "", "hash of the request text that you read; default: the newest revision")
	f.StringVar(&rights, "rights", "", "limit: only these rights")
	f.StringSliceVar(&targets, "target", nil, "limit: only these targets")
	f.IntVar(&a.Limits.Minutes, "minutes", 0, "limit: at most so many minutes")
	f.StringVar(&until, "until", "", "limit: ends at the latest then")
	f.StringVar(&key, "sign-with", "", signFlag)
	f.StringVar(&a.Spoken, "spoken", "", "whose yes you heard on the telephone: you sign that you did, and they sign within 12 hours")
	f.StringVar(&notBefore, "not-before", "", "with not-before: when it may be asked again")
	return cmd
}
