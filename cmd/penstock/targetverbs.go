package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"penstock/broker/api"
)

// targetCommand is about how the broker itself gets into machines.
func targetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "target", Short: "How the broker gets into machines: secrets, host keys, what is missing there"}
	secret := &cobra.Command{Use: "secret", Short: "The sealed passwords and keys of machines that know no certificates"}
	secret.AddCommand(secretSet(), secretShow(), secretRotate(),
		listCommand("list", "List which accounts log in with a secret, and how each stands", "/targets/secrets", "No account of the plant file says login: password or login: key.", secretLine))
	cmd.AddCommand(secret, targetKey(), targetCheck(), targetPin())
	return cmd
}

func secretPath(args []string, verb string) string {
	return "/targets/" + url.PathEscape(args[0]) + "/" + url.PathEscape(args[1]) + "/" + verb
}

func secretSet() *cobra.Command {
	var c caller
	var key string
	var piped bool
	cmd := &cobra.Command{Use: "set ASSET ACCOUNT", Short: "Seal the secret of an account at the broker; it is asked for, and never shown", Args: exactly(2, "an asset and an account"),
		Example: "  penstock target secret set filler-plc maint --as olaf\n  penstock target secret set filler-plc robot --key-file robot_ed25519 --as olaf",
		RunE: func(cmd *cobra.Command, args []string) error {
			if key != "" && piped {
				return usage("say --key-file or --stdin, not both")
			}
			return does(&c, cmd, withCode, secretPath(args, "secret"), func() (any, error) {
				s, err := newSecret(cmd.InOrStdin(), key, piped, args)
				return api.Secret{Secret: s}, err
			}, func(t *tabwriter.Writer, _ api.Receipted) {
				fmt.Fprintf(t, "Sealed for %s on %s. Try it: penstock target check %s --account %s\n", args[1], args[0], args[0], args[1])
			})
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&key, "key-file", "", "file with a private key without a passphrase; delete it afterwards")
	cmd.Flags().BoolVar(&piped, "stdin", false, "read the secret from standard input, all of it but a last line end")
	return cmd
}

const maxSecret = 32 << 10 // bytes

// newSecret is never in argv: it is typed twice, or read from a file or a pipe.
func newSecret(in io.Reader, key string, piped bool, args []string) (string, error) {
	if key != "" {
		f, err := os.Open(key)
		if err != nil {
			return "", fmt.Errorf("read the key: %w", err)
		}
		defer f.Close()
		in = f
	}
	if key != "" || piped {
		b, err := io.ReadAll(io.LimitReader(in, maxSecret+1))
		if err == nil && len(b) > maxSecret {
			err = errors.New("it is too long")
		}
		if err != nil {
			return "", fmt.Errorf("read the secret: %w", err)
		}
		if key != "" {
			return string(b), nil
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
	}
	one, err := askSecret(fmt.Sprintf("Password of %s on %s: ", args[1], args[0]))
	if err != nil {
		return "", err
	}
	two, err := askSecret("Again: ")
	if err != nil {
		return "", err
	}
	if one != two {
		return "", usage("the two are not the same; nothing was sealed")
	}
	return one, nil
}

func secretShow() *cobra.Command {
	var c caller
	step := api.Step{}
	cmd := &cobra.Command{Use: "show ASSET ACCOUNT", Short: "Show a secret to somebody of OT security who must work at the machine; the log has who and why, and it is replaced afterwards", Args: exactly(2, "an asset and an account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, secretPath(args, "show"), itself(&step), func(t *tabwriter.Writer, s api.Secret) { fmt.Fprintln(t, s.Secret) })
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&step.Why, "why", "", "why somebody must know it; the log keeps it")
	_ = cmd.MarkFlagRequired("why") // only fails for a flag that is not there
	return cmd
}

func secretRotate() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "rotate ASSET ACCOUNT", Short: "Replace a secret at its machine now, as the plant file says how", Args: exactly(2, "an asset and an account"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, secretPath(args, "rotate"), itself(&struct{}{}), func(t *tabwriter.Writer, _ api.Receipted) {
				fmt.Fprintf(t, "Told %s. How it went: penstock target secret list\n", args[0])
			})
		}}
	c.doing(cmd)
	return cmd
}

func secretLine(t *tabwriter.Writer, s api.SecretState, l *time.Location) {
	state := "not sealed: penstock target secret set " + s.Asset + " " + s.Account
	if s.Sealed {
		state = "sealed by " + s.By + " " + local(s.At, l)
	}
	rotates := "not rotated"
	switch {
	case s.Lost:
		rotates = "LOST: neither of two secrets is known to log in"
	case s.Failed != "":
		rotates = "not rotated " + local(s.FailedAt, l)
	case s.Rotating:
		rotates = "being rotated"
	case s.Rotates:
		rotates = "rotated after each window"
	}
	fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s%s\n", s.Asset, s.Account, s.Login, state, rotates, suffix(s.Failed))
}

// targetKey is about keys that machines showed in place of the pinned ones.
func targetKey() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Keys that machines show in place of the pinned ones"}
	cmd.AddCommand(listCommand("list", "List the machines that show another key than the plant pinned", "/targets/keys", "Every machine that was dialled showed the key that the plant pinned.", changedKeyLine),
		keyWordVerb("accept ASSET SHA256:… W-1", "accept", "Say that the job in a window changed the key (the shift): it is good in that window alone", 3),
		keyWordVerb("confirm ASSET SHA256:…", "confirm", "Confirm a machine's new key (OT security): it counts in place of the pinned one", 2),
		keyWordVerb("clear ASSET SHA256:…", "clear", "Say that the key was not the machine's (OT security): the pinned one stays, and the machine may be opened again", 2))
	return cmd
}

func keyWordVerb(use, says, short string, n int) *cobra.Command {
	var c caller
	word := api.KeyWord{Says: says}
	names := "an asset and the key's fingerprint"
	if n == 3 {
		names += ", and a window"
	}
	cmd := &cobra.Command{Use: use, Short: short, Args: exactly(n, names),
		RunE: func(cmd *cobra.Command, args []string) error {
			word.Key = args[1]
			if n == 3 {
				word.Window = args[2]
			}
			return does(&c, cmd, withCode, "/targets/"+url.PathEscape(args[0])+"/key", itself(&word),
				func(t *tabwriter.Writer, _ api.Receipted) { fmt.Fprintf(t, "%s: %s %s\n", args[0], says, args[1]) })
		}}
	c.doing(cmd)
	cmd.Flags().StringVar(&word.Why, "why", "", "why; the log keeps it")
	return cmd
}

func changedKeyLine(t *tabwriter.Writer, k api.ChangedKey, l *time.Location) {
	state := "nothing new is opened on it"
	switch {
	case k.Confirmed != "":
		state = "confirmed by " + k.Confirmed + "; write it into the plant file"
	case k.Accepted != "":
		state = "accepted by " + k.By + " for " + k.Accepted + " alone; OT security has not confirmed it"
	}
	fmt.Fprintf(t, "%s\tshows %s\tsince %s\t%s\n\tpinned %s\n", k.Asset, k.Fingerprint, local(k.At, l), state, strings.Join(k.Pinned, ", "))
}

// targetCheck says in words what keeps the broker out of a machine; exit code 3
// where something does.
func targetCheck() *cobra.Command {
	var c caller
	var in api.TargetCheck
	cmd := &cobra.Command{Use: "check ASSET", Short: "Have the broker log in to a machine and out again, and say what is missing there", Args: exactly(1, "an asset"),
		Example: "  penstock target check filler-plc --account maint --as olaf",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.signIn(cmd.Context(), withCode)
			if err != nil {
				return err
			}
			var got api.TargetChecked
			if err := client.Post(cmd.Context(), "/targets/"+url.PathEscape(args[0])+"/check", in, &got); err != nil {
				return apiError(err)
			}
			if err := c.show(cmd, got, func(t *tabwriter.Writer) { findingLines(t, got.Findings) }); err != nil {
				return err
			}
			for _, f := range got.Findings {
				if !f.OK {
					return exit{exitNo, fmt.Errorf("nobody gets into %s as %s: %s", args[0], in.Account, f.Text)}
				}
			}
			return nil
		}}
	c.flags(cmd)
	cmd.Flags().StringVar(&in.Account, "account", "", "the account to log in as")
	_ = cmd.MarkFlagRequired("account") // only fails for a flag that is not there
	return cmd
}

func findingLines(t *tabwriter.Writer, all []api.TargetFinding) {
	for _, f := range all {
		mark := "ok"
		if !f.OK {
			mark = "NO"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", mark, f.What, printable(f.Text))
		for _, do := range f.Do {
			fmt.Fprintf(t, "\t\t  %s\n", printable(do))
		}
	}
}

// targetPin shows what to write into the plant file: a change of it is what pins a
// key, and is agreed by two people like any other.
func targetPin() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "pin ASSET", Short: "Look at a machine's host keys, and say what pins them", Args: exactly(1, "an asset"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return does(&c, cmd, withCode, "/targets/"+url.PathEscape(args[0])+"/scan", func() (any, error) { return struct{}{}, nil }, pinLines)
		}}
	c.flags(cmd)
	return cmd
}

func pinLines(t *tabwriter.Writer, k api.TargetKeys) {
	fmt.Fprintf(t, "%s shows:\n", k.Asset)
	for _, f := range k.Fingerprints {
		fmt.Fprintf(t, "    %s\n", f)
	}
	switch {
	case len(k.Keys) == 0:
		fmt.Fprintln(t, "no key that can be pinned.")
		return
	case len(k.Pinned) > 0:
		fmt.Fprintf(t, "pinned:\n    %s\n", strings.Join(k.Pinned, "\n    "))
	}
	fmt.Fprintf(t, "\nWhoever stands between here and the machine could show a key of their own. Compare with its own screen:\n    ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub\n")
	fmt.Fprintf(t, "\nIf it is the same, its ssh port in the plant file gets this, and penstock policy propose lets two people agree:\n    host_keys: [%s]\n", k.Keys[0])
	if len(k.Old) > 0 {
		fmt.Fprintf(t, "    old_algorithms: {allow: [%s], why: …, owner: ot-security, review: YYYY-MM-DD}\n", strings.Join(k.Old, ", "))
	}
}
