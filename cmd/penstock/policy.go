package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"penstock/policy"
	"penstock/policy/source"
)

// policyCommand is `penstock policy`: what a plant file means, without a server,
// and how a running broker gets a new one.
func policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Check, explain, compare and test a plant file without a server; change it on a running one"}
	c.AddCommand(policyCheckCommand(), policyExplainCommand(), policyDiffCommand(), policyDebtCommand(), policyTestCommand())
	c.AddCommand(changeCommands()...)
	return c
}

func policyCheckCommand() *cobra.Command {
	var asJSON, lint bool
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Read a plant file strictly and say what is wrong with it, all at once",
		Args:  policyArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			plant, problems, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				view := checkView(plant, problems)
				if lint && plant != nil {
					view["lints"] = emptyNotNull(plant.Lints(time.Now()))
				}
				if err := printPolicyJSON(c.OutOrStdout(), view); err != nil {
					return err
				}
			}
			if problems != nil {
				return refusePlant(c.ErrOrStderr(), args[0], problems, asJSON)
			}
			if !asJSON {
				summarisePolicy(c.OutOrStdout(), plant, time.Now())
			}
			if lint && !asJSON {
				for _, l := range plant.Lints(time.Now()) {
					fmt.Fprintf(c.OutOrStdout(), "warning: IEC 62443-3-2 %s: %s: %s\n", l.Clause, l.What, l.Text)
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&lint, "lint", false, "say also what IEC 62443-3-2 asks for otherwise; it refuses nothing")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

// policyArgs makes a wrong number of arguments exit 2.
func policyArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return exit{exitUsage, fmt.Errorf("%w; usage: penstock policy %s", err, c.Use)}
		}
		return nil
	}
}

// readPolicy reads a plant file and all that it names; places in the
// problems are as the person typed the path.
func readPolicy(path string) (*policy.Plant, source.Problems, error) {
	return readPolicyWith(path, "", nil)
}

// readPolicyWith is readPolicy with another text in place of one of its files,
// which need not be there yet. The main file must name it.
func readPolicyWith(path, part string, text []byte) (*policy.Plant, source.Problems, error) {
	dir, main := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open the plant file's folder: %w", err)
	}
	defer root.Close()
	files, err := policy.Gather(main, func(name string) ([]byte, error) {
		if name == part && text != nil {
			return text, nil
		}
		return readPolicyPart(root, name, main)
	})
	if err != nil {
		return nil, nil, err
	}
	if _, named := files[part]; part != "" && !named {
		return nil, nil, usage("%s does not name %s: add the line   imported: [%s]", main, part, part)
	}
	for name, text := range files {
		if text == nil {
			delete(files, name) // Parse says where it is named and that it is missing
		}
	}
	plant, problems := policy.ParseWith(policy.Options{Inspectors: inspectors.Names()}, main, files)
	for i := range problems {
		problems[i].File = filepath.Join(filepath.Dir(path), problems[i].File)
	}
	return plant, problems, nil
}

// readPolicyPart reads one file below root and not a byte more than is parsed. A
// further file that is missing is nil: the line that names it is at fault.
func readPolicyPart(root *os.Root, name, main string) ([]byte, error) {
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) && name != main {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, source.MaxBytes+1))
	if text == nil {
		text = []byte{}
	}
	return text, err
}

func refusePlant(errs io.Writer, path string, problems source.Problems, quiet bool) error {
	if !quiet {
		fmt.Fprintln(errs, problems.Error())
	}
	n := fmt.Sprintf("%d problems", len(problems))
	if len(problems) == 1 {
		n = "one problem"
	}
	return exit{exitError, fmt.Errorf("%s has %s; nothing of it is used", path, n)}
}

func checkView(p *policy.Plant, problems source.Problems) map[string]any {
	list := []map[string]any{}
	for _, at := range problems {
		list = append(list, map[string]any{"file": at.File, "line": at.Line, "column": at.Column, "text": at.Text, "hint": at.Hint})
	}
	view := map[string]any{"sound": p != nil, "problems": list}
	if p != nil {
		view["site"], view["zones"], view["conduits"], view["assets"], view["rules"] = p.Site.ID, len(p.Zones), len(p.Conduits), len(p.Assets), len(p.Rules)
	}
	return view
}

// summarisePolicy says in a few lines what the file lets happen, and what of it is
// due for review.
func summarisePolicy(out io.Writer, p *policy.Plant, now time.Time) {
	fmt.Fprintf(out, "%s (%s), %s: %d zones, %d conduits, %d assets, %d rules, %d patterns\n", p.Site.Name, p.Site.ID, p.Site.Timezone,
		len(p.Zones), len(p.Conduits), len(p.Assets), len(p.Rules), len(p.Patterns))
	for _, c := range p.Conduits {
		fmt.Fprintf(out, "  %s → %s  by %s: %s  (%s; owners %s, %s)\n", c.From, c.To, strings.Join(c.Carries, ", "), c.Rights, c.Why, c.Owners[0], c.Owners[1])
	}
	for _, z := range p.Zones {
		if z.VendorsNever {
			fmt.Fprintf(out, "  %s is never open to vendors\n", z.Name)
		}
	}
	for _, a := range p.Assets {
		if port, ok := a.Port("ssh"); ok && len(port.HostKeys) == 0 {
			fmt.Fprintf(out, "note: %s has no pinned host key, so nobody gets in by ssh; add host_keys\n", a.Name)
		}
	}
	if len(p.Recordings.Read) == 0 {
		fmt.Fprintln(out, "note: nobody may open a recording; add recordings: {read: [team]}")
	}
	for _, c := range p.Conduits {
		overdueReview(out, "conduit "+c.Name, c.Review, now)
	}
	for _, pattern := range p.Patterns {
		overdueReview(out, "pattern "+pattern.Name, pattern.Review, now)
	}
}

func overdueReview(out io.Writer, what string, review, now time.Time) {
	if now.After(review.AddDate(0, 0, 1)) {
		fmt.Fprintf(out, "note: the review of %s was due %s\n", what, review.Format(time.DateOnly))
	}
}

// policyExplainCall are the flags of policy explain.
type policyExplainCall struct {
	asset, account, port, who, at string
	rights, gates                 []string
	minutes                       int
	asJSON, first                 bool
}

func policyExplainCommand() *cobra.Command {
	var call policyExplainCall
	c := &cobra.Command{
		Use:   "explain FILE --asset ASSET --rights look,copy [--account A | --port P]",
		Short: "Say step by step whether an access is possible, and who would have to agree",
		Long: "Plays an access on the plant file: first the request, then a channel in a window that was agreed and opened\n" +
			"as asked, with an escort there, the right network and, unless --gate says which, every gate saying yes.\n" +
			"Exits 3 if the answer is no.",
		Args: policyArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return explainPolicy(c, args[0], call) },
	}
	f := c.Flags()
	f.StringVar(&call.asset, "asset", "", "the asset, by its id")
	f.StringVar(&call.account, "account", "", "the account on it")
	f.StringVar(&call.port, "port", "", "the port, where the account does not say it")
	f.StringSliceVar(&call.rights, "rights", nil, "what is wanted: look, copy, set, operate, load, device")
	f.StringSliceVar(&call.gates, "gate", nil, "a gate that says yes, the others do not; may be repeated; none: no gate does")
	f.StringVar(&call.who, "who", "some-firm/somebody", "firm/person; the site's id as the firm is the plant itself")
	f.StringVar(&call.at, "at", "", `when: "Tue 03:07", "2026-12-20 10:00" or RFC 3339 (default: now)`)
	f.IntVar(&call.minutes, "minutes", 0, "for how many minutes (default 30)")
	f.BoolVar(&call.first, "first-visit", false, "by somebody who never worked here before, and asks for themself")
	f.BoolVar(&call.asJSON, "json", false, "print one JSON document")
	return c
}

func explainPolicy(c *cobra.Command, path string, call policyExplainCall) error {
	rights, err := policy.ParseRights(call.rights)
	if err != nil {
		return exit{exitUsage, fmt.Errorf("--rights: %w", err)}
	}
	if call.asset == "" || call.minutes < 0 || call.minutes > 31*24*60 {
		return exit{exitUsage, errors.New("say which asset (--asset), and at most 31 days of --minutes")}
	}
	plant, problems, err := readPolicy(path)
	if err != nil {
		return err
	}
	if problems != nil {
		return refusePlant(c.ErrOrStderr(), path, problems, false)
	}
	now := time.Now()
	if call.at != "" {
		if now, err = policy.Moment(call.at, now, plant.Location()); err != nil {
			return exit{exitUsage, fmt.Errorf("--at: %w", err)}
		}
	}
	want := policy.Want{Asset: policy.AssetName(call.asset), Port: policy.PortName(call.port), Account: policy.AccountName(call.account), Rights: rights, Minutes: call.minutes, First: call.first}
	if len(call.gates) > 0 {
		want.Say = slices.DeleteFunc(slices.Clone(call.gates), func(g string) bool { return g == "none" })
	}
	ask, channel, err := plant.DryRun(call.who, want, now)
	if err != nil {
		return exit{exitUsage, err}
	}
	if call.asJSON {
		err = printPolicyJSON(c.OutOrStdout(), map[string]any{"at": now.In(plant.Location()).Format(time.RFC3339), "ask": explanationView(ask), "channel": explanationView(channel)})
	} else {
		printExplanation(c.OutOrStdout(), plant, now, ask, channel, want.Say)
	}
	if err != nil {
		return err
	}
	for _, e := range []policy.Explanation{ask, channel} {
		if no := e.Decision.Refusal(); no != nil {
			return exit{exitNo, no}
		}
	}
	return nil
}

func printExplanation(out io.Writer, p *policy.Plant, now time.Time, ask, channel policy.Explanation, gates []string) {
	fmt.Fprintf(out, "The request, at %s:\n%s", now.In(p.Location()).Format("Mon 2006-01-02 15:04 MST"), ask)
	if !ask.Decision.Allow {
		return
	}
	fmt.Fprintln(out, ask.Quorum)
	if len(ask.Gates) > 0 {
		fmt.Fprintf(out, "gates: %s\n", strings.Join(ask.Gates, ", "))
	}
	if len(ask.Patterns) > 0 {
		fmt.Fprintf(out, "patterns whose frame covers it: %s\n", strings.Join(ask.Patterns, ", "))
	}
	say := "the gates say yes"
	if gates != nil {
		say = "of the gates only these say yes: " + cmp.Or(strings.Join(gates, ", "), "none")
	}
	fmt.Fprintf(out, "A channel, once the window is agreed and open and %s:\n%s", say, channel)
}

func explanationView(e policy.Explanation) map[string]any {
	steps := []map[string]any{}
	for _, s := range e.Steps {
		steps = append(steps, map[string]any{"check": s.Check, "ok": s.OK, "rule": s.Rule, "text": s.Text})
	}
	d := e.Decision
	view := map[string]any{"allow": d.Allow, "rule": d.Rule, "say": d.Say, "why": d.Why, "path": d.Path, "steps": steps, "gates": e.Gates, "patterns": e.Patterns}
	if d.Target.IsValid() {
		view["target"] = d.Target.String()
	}
	if len(e.Quorum.Needs) > 0 {
		needs := []map[string]any{}
		for _, n := range e.Quorum.Needs {
			needs = append(needs, map[string]any{"role": n.Role, "count": n.Count, "rule": n.Rule})
		}
		view["quorum"] = map[string]any{"needs": needs, "open": e.Quorum.Open, "openers": e.Quorum.Openers, "longest": e.Quorum.Longest.String(), "grace": e.Quorum.Grace.String(), "proof": e.Quorum.Proof, "escort": e.Quorum.Escort, "ask": e.Quorum.Ask}
	}
	return view
}

func policyTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test [FILE]",
		Short: "Play the stories of plant.test.yaml on the plant file beside it",
		Long: "Reads FILE (default plant.yaml) and the stories beside it: plant.yaml is told by plant.test.yaml. Each story is one\n" +
			"line; what comes out otherwise is printed with the story's place, and the exit code is 1.",
		Args: policyArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			path := "plant.yaml"
			if len(args) == 1 {
				path = args[0]
			}
			return playStories(c, path)
		},
	}
}

func playStories(c *cobra.Command, path string) error {
	plant, problems, err := readPolicy(path)
	if err != nil {
		return err
	}
	if problems != nil {
		return refusePlant(c.ErrOrStderr(), path, problems, false)
	}
	beside := strings.TrimSuffix(path, filepath.Ext(path)) + ".test" + filepath.Ext(path)
	text, err := readStories(beside)
	if err != nil {
		return fmt.Errorf("read the stories: %w", err)
	}
	stories, problems := policy.ParseStories(beside, text)
	if problems != nil {
		return refusePlant(c.ErrOrStderr(), beside, problems, false)
	}
	if len(stories) == 0 {
		return exit{exitError, fmt.Errorf("%s tells no story", beside)}
	}
	failed := 0
	for _, s := range stories {
		off := s.Check(plant, time.Now())
		for _, text := range off {
			fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", s.Place, text)
		}
		if len(off) > 0 {
			failed++
		}
	}
	if failed > 0 {
		return exit{exitError, fmt.Errorf("%d of %d stories came out otherwise", failed, len(stories))}
	}
	fmt.Fprintf(c.OutOrStdout(), "%d stories, all as told\n", len(stories))
	return nil
}

func readStories(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, source.MaxBytes+1))
}

func printPolicyJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}
