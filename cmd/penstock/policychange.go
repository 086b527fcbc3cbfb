package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/broker/api"
)

// changeCommands are the verbs for changes of the plant file of a running broker.
func changeCommands() []*cobra.Command {
	return []*cobra.Command{policyProposeCommand(), policyChangesCommand(), policyShowCommand(), policyGetCommand(),
		changeStep("apply", "Put an agreed change in force", withCode),
		changeStep("confirm", "Keep a change that would go back by itself", withCode),
		changeStep("back", "Take a change back that was put in force for a time", withoutCode),
		changeStep("withdraw", "Withdraw a change that waits", withoutCode)}
}

func policyProposeCommand() *cobra.Command {
	var c caller
	var file api.PlantFile
	var dry bool
	cmd := &cobra.Command{Use: "propose FILE --why WORDS", Short: "Put a new plant file before those whom it touches",
		Long: "Reads FILE and all that it names, and sends it to the broker, which tells what it would change and who has to\n" +
			"agree. They answer on the page or by penstock answer C-1 yes; then penstock policy apply C-1 puts it in force.\n" +
			"With --dry-run nothing is proposed: it says who gains and loses what, and which windows would not fit any more.",
		Args: policyArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			plant, problems, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			if problems != nil {
				return refusePlant(cmd.ErrOrStderr(), args[0], problems, false)
			}
			file.Document = string(plant.Document())
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			if dry {
				return sends(&c, cmd, client, "/plant/compare", file, diffLines)
			}
			return sends(&c, cmd, client, "/plant/changes", file, changeLines(c.zone))
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&file.Why, "why", "", "why it shall change")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what it would change")
	return cmd
}

func policyChangesCommand() *cobra.Command {
	return listCommand("changes", "List changes of the plant file", "/plant/changes", "No change of the plant file was proposed.",
		func(w *tabwriter.Writer, c api.PlantChange, l *time.Location) {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.ID, changeState(c, l), c.By, local(c.At, l), printable(c.Why))
		})
}

func changeState(c api.PlantChange, l *time.Location) string {
	switch {
	case c.State == "waiting" && c.Stale:
		return "overtaken: propose it anew"
	case c.State == "waiting" && len(c.Left) == 0:
		return "agreed: apply it"
	case c.State == "applied":
		return "in force, goes back " + local(c.Confirm, l) + " unless confirmed"
	}
	return c.State
}

// policyShowCommand shows one change with what it says otherwise.
func policyShowCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "change C-1", Short: "Show one change of the plant file, and who gains and loses what by it", Args: exactly(1, "a change, such as C-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var both struct {
				api.PlantChange
				Diff api.PlantDiff `json:"diff"`
			}
			path := "/plant/changes/" + url.PathEscape(args[0])
			if err := client.Get(cmd.Context(), path, &both.PlantChange); err != nil {
				return apiError(err)
			}
			if err := client.Get(cmd.Context(), path+"/diff", &both.Diff); err != nil {
				return apiError(err)
			}
			return c.show(cmd, both, func(w *tabwriter.Writer) {
				changeLines(c.zone)(w, both.PlantChange)
				w.Flush()
				diffLines(w, both.Diff)
			})
		}}
	c.flags(cmd)
	return cmd
}

// changeStep is one verb on one change.
func changeStep(name, short string, need proof) *cobra.Command {
	var c caller
	var step api.PlantStep
	cmd := &cobra.Command{Use: name + " C-1", Short: short, Args: exactly(1, "a change, such as C-1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, need, "/plant/changes/"+url.PathEscape(args[0])+"/"+name, itself(&step),
				func(w *tabwriter.Writer, v api.PlantChange) { changeLines(c.zone)(w, v) })
		}}
	c.flags(cmd)
	switch name {
	case "apply":
		cmd.Flags().StringVar(&step.Within, "confirm-within", "", "it goes back by itself unless somebody confirms it within this time, such as 10m")
	case "back", "withdraw":
		cmd.Flags().StringVar(&step.Why, "why", "", "why")
	}
	return cmd
}

func changeLines(l *time.Location) func(*tabwriter.Writer, api.PlantChange) {
	return func(w *tabwriter.Writer, c api.PlantChange) {
		fmt.Fprintf(w, "%s\t%s\n", c.ID, changeState(c, l))
		fmt.Fprintf(w, "why\t%s\n", printable(c.Why))
		fmt.Fprintf(w, "proposed\tby %s, %s; to be decided by %s\n", c.By, local(c.At, l), local(c.Until, l))
		if len(c.Words) >= 2 {
			fmt.Fprintf(w, "say on the phone\t%s\n", strings.ToUpper(strings.Join(c.Words[:2], " ")))
		}
		for _, a := range c.Answers {
			fmt.Fprintf(w, "answer\t%s (%s) said %s %s%s\n", a.Person, a.Role, a.Says, local(a.At, l), suffix(a.Why))
		}
		for _, n := range c.Left {
			fmt.Fprintf(w, "waits for\t%d × %s\n", n.Count, n.Role)
		}
	}
}

func diffLines(w *tabwriter.Writer, d api.PlantDiff) {
	last := ""
	for _, one := range d.Differences {
		if one.Means != last {
			fmt.Fprintln(w, diffHeads[one.Means])
			last = one.Means
		}
		text := one.Text
		if one.What != "vendors" {
			text = one.What + " " + one.Text
		}
		fmt.Fprintln(w, "  "+printable(text))
	}
	if d.More > 0 {
		fmt.Fprintf(w, "  and %d more lines: penstock policy diff OLD NEW shows all\n", d.More)
	}
	if len(d.Differences) == 0 {
		fmt.Fprintln(w, "Nothing changes.")
	}
	for _, u := range d.Unfit {
		fmt.Fprintf(w, "%s of %s would not fit any more: %s\n", u.Window, u.Firm, printable(u.Why))
	}
	for _, n := range d.Needs {
		fmt.Fprintf(w, "to agree: %d × %s\n", n.Count, n.Role)
	}
}

// policyGetCommand writes the plant file in force into a folder: after a change,
// the file on the disk of the broker may be another.
func policyGetCommand() *cobra.Command {
	var c caller
	var dir string
	cmd := &cobra.Command{Use: "get --out DIR", Short: "Write the plant file in force, with all that it names, into a new folder", Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usage("say where to: --out DIR")
			}
			client, err := c.signIn(cmd.Context(), withoutCode)
			if err != nil {
				return err
			}
			var file api.PlantFile
			if err := client.Get(cmd.Context(), "/plant", &file); err != nil {
				return apiError(err)
			}
			return writePlant(dir, []byte(file.Document))
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&dir, "out", "", "folder to make; it must not be there yet")
	return cmd
}

// writePlant takes a bundle apart into a folder that it makes.
func writePlant(dir string, bundle []byte) error {
	var b struct {
		Files map[string]string `json:"files"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return fmt.Errorf("read the plant file that the broker sent: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the folder: %w", err)
	}
	defer root.Close()
	for name, text := range b.Files {
		if folder := filepath.Dir(name); folder != "." {
			if err := root.MkdirAll(folder, 0o755); err != nil {
				return fmt.Errorf("make %s: %w", folder, err)
			}
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// answerChange answers exactly the change that is there now; its text never
// changes. With a key the person signs the very bytes whose words are shown.
func answerChange(c *caller, cmd *cobra.Command, client *api.Client, id, key string, a api.Answer) error {
	path := "/plant/changes/" + url.PathEscape(id)
	var v api.PlantChange
	if err := client.Get(cmd.Context(), path, &v); err != nil {
		return apiError(err)
	}
	if a.Document == "" {
		a.Document = v.Document
	}
	if key != "" {
		var err error
		m := meant{by: c.as, says: a.Says, text: a.Document}
		a.Signed, err = signs(cmd, client, key, path+"/answer", a, m, evidence.ParsePlantChange, func(a evidence.Answer, v evidence.PlantChange) ([]string, error) {
			return signedChange(id, a, v, c.zone)
		})
		if err != nil {
			return err
		}
	}
	return sends(c, cmd, client, path+"/answer", a, changeLines(c.zone))
}

// signedChange: the two plant files are named by hash; penstock policy diff says
// what they change.
func signedChange(id string, a evidence.Answer, v evidence.PlantChange, zone *time.Location) ([]string, error) {
	if v.Change != id {
		return nil, errNotMeant
	}
	return []string{fmt.Sprintf("You sign: %s, as %s, to %s, a change of the plant file by %s of %s.", a.Says, a.Role, v.Change, v.By, local(v.At, zone)),
		"  why: " + printable(v.Why), "  from: " + v.From.String(), "  to: " + v.To.String()}, nil
}
