package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"penstock/approvals/people"
	"penstock/broker/api"
	"penstock/policy"
)

// importPeopleCommand is `penstock people import`.
func importPeopleCommand() *cobra.Command {
	var c caller
	var in api.FirmImport
	var apply bool
	var codes string
	cmd := &cobra.Command{Use: "import FILE", Short: "Say what a list of firms and their engineers would change, and with --apply write it and invite them",
		Long: "Reads a sheet (CSV as Excel or others write it) or JSON, and compares it with the firms and people that are here.\n" +
			"The sheet's first line names the columns: firm_id, firm, firm_name, sponsor, until, networks, person_id, person,\n" +
			"person_name, phone, mail; a line for each person, or for a firm alone. Firm and person are short names; without\n" +
			"them they are made of the names. An empty cell changes nothing. Nobody leaves by a list: who is not in it any\n" +
			"more is named, and nothing else. The ids are those of --system, and by them a firm or person is known again.\n\n" +
			"Everybody who is new is invited; their codes are in the file of --codes alone, are good for a day, and are told\n" +
			"by phone or in person.",
		Example: "  penstock people import vendors.csv --system sap --as sec\n  penstock people import vendors.csv --system sap --apply --codes codes.txt --as sec",
		Args:    exactly(1, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if apply && codes == "" {
				return usage("with --apply say where the invitations' codes go: --codes FILE, which is made with mode 0600")
			}
			var err error
			if in.Sheet, err = readList(args[0]); err != nil {
				return err
			}
			in.Format = cmp.Or(in.Format, formatOf(args[0]))
			client, err := c.signIn(cmd.Context(), proof(apply))
			if err != nil {
				return err
			}
			var plan api.FirmsImported
			if err := client.Post(cmd.Context(), "/firms/import/plan", in, &plan); err != nil {
				return apiError(err)
			}
			if !apply {
				return c.show(cmd, plan, func(w *tabwriter.Writer) {
					showImport(w, plan)
					fmt.Fprintln(w, "Nothing is written; --apply writes it.")
				})
			}
			if err := usable(cmd, plan, in.LeaveOut); err != nil {
				return err
			}
			in.Plan = plan.Plan
			return c.importPeople(cmd, client, in, codes)
		}}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&in.Format, "format", "", "csv or json (default: by the file's name)")
	f.StringVar(&in.System, "system", "csv", "short name of the system that it comes from: its ids are this system's")
	f.BoolVar(&apply, "apply", false, "write it, and invite who is new")
	f.BoolVar(&in.LeaveOut, "leave-out", false, "with --apply: write the rest where lines cannot be used")
	f.StringVar(&codes, "codes", "", "with --apply: a new file for the invitations, readable by you alone")
	return cmd
}

func formatOf(file string) string {
	if strings.HasSuffix(file, ".json") {
		return "json"
	}
	return "csv"
}

// usable says which lines of a list cannot be used, and stops where they may not be left out.
func usable(cmd *cobra.Command, plan api.FirmsImported, leaveOut bool) error {
	if len(plan.LeftOut) == 0 || leaveOut {
		return nil
	}
	for _, l := range plan.LeftOut {
		fmt.Fprintf(cmd.ErrOrStderr(), "line %d: %s\n", l.Line, printable(l.Text))
	}
	return exit{exitError, fmt.Errorf("%d lines cannot be used, so nothing is written: mend them, or say --leave-out", len(plan.LeftOut))}
}

// importPeople writes it. The file for the codes is there before anybody is
// invited: a code that could not be written down would be lost.
func (c *caller) importPeople(cmd *cobra.Command, client *api.Client, in api.FirmImport, codes string) error {
	file, err := os.OpenFile(codes, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the file for the codes: %w", err)
	}
	defer file.Close()
	var done api.FirmsImported
	if err := client.Post(cmd.Context(), "/firms/import", in, &done); err != nil {
		_ = os.Remove(codes) // nothing is in it
		return apiError(err)
	}
	if err := c.writeCodes(cmd.Context(), client, file, done.Invitations); err != nil {
		return fmt.Errorf("the import is done, but its codes could not be written down: invite these people again (penstock people invite): %w", err)
	}
	n := len(done.Invitations)
	if n == 0 {
		_ = os.Remove(codes)
	}
	done.Invitations = nil // their codes are in the file alone
	err = c.show(cmd, done, func(w *tabwriter.Writer) {
		showImport(w, done)
		if n > 0 {
			fmt.Fprintf(w, "%d codes are in %s. Tell each person theirs by phone, then delete the file; they work for a day.\n", n, codes)
		}
	})
	switch {
	case err != nil:
		return err
	case done.Stopped != "":
		return exit{exitError, errors.New(done.Stopped)}
	case len(done.LeftOut) > 0 && !in.LeaveOut:
		return exit{exitNo, fmt.Errorf("%d lines were refused", len(done.LeftOut))}
	}
	return nil
}

func (c *caller) writeCodes(ctx context.Context, client *api.Client, to *os.File, list []api.Invitation) error {
	if len(list) == 0 {
		return to.Close()
	}
	var a api.Authorities
	if err := client.Get(ctx, "/authorities", &a); err != nil {
		a = api.Authorities{Name: "BROKER", Port: 22} // the codes matter more than the line
	}
	fmt.Fprintf(to, "Each code works once. Everybody's known_hosts needs this line first:\n\n    %s\n\nOn Windows this adds it, in cmd and PowerShell alike:\n\n    %s\n\nThen they type this, and give their code when asked:\n\n    %s\n\n",
		knownHostsLine(a), policy.KeptOnWindows(knownHostsLine(a), "known_hosts"), sshLine(a, "join"))
	for _, i := range list {
		fmt.Fprintf(to, "%s\t%s/%s\t%s\t%s\tuntil %s\n", i.Code, i.Firm, i.Person, printable(i.Name), i.Phone, local(i.Until, c.zone))
	}
	return errors.Join(to.Sync(), to.Close())
}

func showImport(w *tabwriter.Writer, f api.FirmsImported) {
	if f.Note != "" {
		fmt.Fprintln(w, f.Note)
	}
	for _, c := range f.Changes {
		if c.Does != "same" {
			fmt.Fprintf(w, "%s\t%s\t%s\n", c.Does, c.Who(), printable(c.Text))
		}
	}
	for _, l := range f.LeftOut {
		fmt.Fprintf(w, "left out\tline %d\t%s\n", l.Line, printable(l.Text))
	}
	if len(f.Ignored) > 0 {
		fmt.Fprintf(w, "columns that mean nothing here: %s\n", printable(strings.Join(f.Ignored, ", ")))
	}
	fmt.Fprintln(w, f.Counts())
}

// readList reads a file of firms; one byte too many is left for the broker to refuse.
func readList(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, people.MaxSheet+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > people.MaxSheet {
		return nil, fmt.Errorf("%s has more than %d bytes, more than are read at once: part it", path, people.MaxSheet)
	}
	return text, nil
}
