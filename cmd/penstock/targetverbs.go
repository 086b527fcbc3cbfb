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
	secret.AddCommand(secretSet(), secretShow(),
		listCommand("list", "List which accounts log in with a secret, and how each stands", "/targets/secrets", "No account of the plant file says login: password or login: key.", secretLine))
	cmd.AddCommand(secret, targetKey())
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
