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

func peopleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "people", Short: "Invite, confirm, list and disable people; their firms, terms and trainings"}
	cmd.AddCommand(inviteCommand(), confirmCommand(), vouchCommand(), removeKeyCommand(), peopleListCommand(), showPersonCommand(), importPeopleCommand(), phoneCommand(), mailCommand(), rolesCommand(), disableCommand(), firmCommand(), firmEndCommand(), termsCommand(), trainingCommand(), endingsCommand(), accessReviewCommand(), linkCommand())
	return cmd
}

func inviteCommand() *cobra.Command {
	var c caller
	var in api.Invitation
	cmd := &cobra.Command{Use: "invite FIRM/PERSON", Short: "Invite a person to bring a key; prints the code once",
		Example: `  penstock people invite krall/ann --name "Ann Keller" --as olaf`,
		Args:    exactly(1, "FIRM/PERSON, such as krall/ann"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ok bool
			if in.Firm, in.Person, ok = strings.Cut(args[0], "/"); !ok {
				return usage("%q is no FIRM/PERSON, such as krall/ann", args[0])
			}
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			var made api.Invitation
			if err := client.Post(cmd.Context(), "/people/invite", in, &made); err != nil {
				return apiError(err)
			}
			var a api.Authorities
			if err := client.Get(cmd.Context(), "/authorities", &a); err != nil {
				return apiError(err)
			}
			l := c.zone
			return c.show(cmd, made, func(w *tabwriter.Writer) {
				fmt.Fprintf(w, "Give %s this code by phone or in person. It works once, until %s:\n\n    %s\n\n", printable(made.Name), local(made.Until, l), made.Code)
				fmt.Fprintf(w, "%s's known_hosts needs this line first, so that nobody can stand in for the broker:\n\n    %s\n\n", printable(made.Name), knownHostsLine(a))
				fmt.Fprintf(w, "On Windows this adds it, in cmd and PowerShell alike:\n\n    %s\n\n", policy.KeptOnWindows(knownHostsLine(a), "known_hosts"))
				fmt.Fprintf(w, "Then %s types, and gives the code when asked:\n\n    %s\n\n", printable(made.Name), sshLine(a, "join"))
				fmt.Fprintf(w, "After that compare the fingerprint by phone and run:\n\n    penstock people confirm %s SHA256:…\n", made.Person)
			})
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&in.Name, "name", "", "the person's name")
	cmd.Flags().StringVar(&in.Phone, "phone", "", "the person's number with its country, such as \"+49 431 555 0121\"")
	cmd.Flags().BoolVar(&in.Machine, "machine", false, "it is a vendor's machine: it comes by a standing agreement alone, with its one key and no code")
	cmd.Flags().StringSliceVar(&in.Roles, "role", nil, "roles, for people of the plant")
	_ = cmd.MarkFlagRequired("name") // only fails for a flag that is not there
	return cmd
}

// sshLine is what somebody types to reach the broker as name.
func sshLine(a api.Authorities, name string) string {
	if a.Port == 22 {
		return fmt.Sprintf("ssh %s@%s", name, a.Name)
	}
	return fmt.Sprintf("ssh -p %d %s@%s", a.Port, name, a.Name)
}

func knownHostsLine(a api.Authorities) string {
	return fmt.Sprintf("@cert-authority %s,*.%s %s", a.Name, a.Site, a.Host)
}

func confirmCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "confirm PERSON FINGERPRINT", Short: "Vouch for a key that a person has brought",
		Args: exactly(2, "a person and the fingerprint that you have compared"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/people/"+url.PathEscape(args[0])+"/confirm", itself(&api.Step{Key: args[1]}), personLine)
		}}
	c.flags(cmd)
	return cmd
}

func peopleListCommand() *cobra.Command {
	return listCommand("list", "List people and their keys", "/people", "There is nobody.",
		func(w *tabwriter.Writer, p api.Person, _ *time.Location) { personLine(w, p) })
}

func personLine(w *tabwriter.Writer, p api.Person) {
	state := ""
	if p.Disabled {
		state = "disabled"
	}
	fmt.Fprintf(w, "%s/%s\t%s\t%s\t%s\t%s\n", p.Firm, p.ID, printable(p.Name), strings.Join(p.Roles, ","), p.Phone, state)
	for _, k := range p.Keys {
		state := ""
		switch {
		case k.Pending && k.Kind == "passkey":
			state = "waits for somebody to vouch for it"
		case k.Pending:
			state = "waits to be confirmed"
		case k.Signs:
			state = "signs answers"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", k.Kind, k.ID, printable(k.Name), state)
	}
}

func phoneCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "phone PERSON NUMBER", Short: "Write the number that the plant's pages call; \"\" takes it away",
		Example: `  penstock people phone ann "+49 431 555 0121" --as jan`,
		Args:    exactly(2, `a person and a number with its country, such as "+49 431 555 0121"`),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/people/"+url.PathEscape(args[0])+"/phone", itself(&api.Step{Phone: args[1]}), personLine)
		}}
	c.flags(cmd)
	return cmd
}

func rolesCommand() *cobra.Command {
	var c caller
	var in api.Step
	cmd := &cobra.Command{Use: "roles PERSON", Short: "Give somebody of the plant roles, or take them away; what is not named stays",
		Long: `Give somebody of the plant roles, or take them away, from now on; what is not named
stays. By OT security with a code, and nobody changes their own.`,
		Example: `  penstock people roles mia --give duty-engineer --take shift --as lena`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(in.Give)+len(in.Take) == 0 {
				return usage("say --give ROLE or --take ROLE")
			}
			return exactly(1, "a person")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/people/"+url.PathEscape(args[0])+"/roles", itself(&in), personLine)
		}}
	c.flags(cmd)
	cmd.Flags().StringSliceVar(&in.Give, "give", nil, "roles that they get")
	cmd.Flags().StringSliceVar(&in.Take, "take", nil, "roles that are taken from them")
	return cmd
}

func mailCommand() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "mail PERSON ADDRESS", Short: "Write the address to which notices go; \"\" takes it away",
		Example: `  penstock people mail mia mia@kiel.example --as sec`,
		Args:    exactly(2, `a person and an address, such as mia@kiel.example`),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/people/"+url.PathEscape(args[0])+"/mail", itself(&api.Step{Mail: args[1]}), personLine)
		}}
	c.flags(cmd)
	return cmd
}
