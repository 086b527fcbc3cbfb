package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, "penstock: "+text)
	}
	return exitCode(err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "penstock",
		Short: "Let vendors into a plant for the time of an agreed job, and prove what happened",
		Long: `Penstock lets a vendor's engineer reach a machine in a plant only inside a window
that the plant's own people agreed, and keeps a record that nobody can quietly change.

Exit codes: 0 done, 1 error, 2 usage, 3 the answer is no, 4 the broker cannot be reached.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("there is no verb %q; see penstock --help", args[0])
			}
			return nil
		},
		PersistentPreRunE: wantsFlags,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; see %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(serveCommand(), demoCommand(), policyCommand(), assetCommand(), debtCommand(), measuresCommand(), logCommand(), witnessCommand(), versionCommand())
	root.AddCommand(requestCommands()...)
	root.AddCommand(append(patternCommands(), spokenCommand(), standingCommand())...)
	root.AddCommand(windowCommands()...)
	root.AddCommand(fileCommands()...)
	root.AddCommand(blockCommands()...)
	root.AddCommand(outageCommand(), kioskCommand())
	root.AddCommand(peopleCommand(), rosterCommand(), receiptCommand(), recordingCommand(), authoritiesCommand(), clockCommand(), backupCommand(), restoreCommand(), evidenceCommand(), connectCommand(), agentCommand(), portsCommand())
	root.AddCommand(targetCommand())
	root.AddCommand(envelopeCommand(), recoverCommand())
	return root
}

// usage is an error of the call's words: exit code 2.
func usage(format string, args ...any) error {
	return exit{exitUsage, fmt.Errorf(format, args...)}
}

// wantsFlags names the flags that a verb cannot do without, before anybody is asked
// for a password: cobra's own error says neither what they are for nor that it is one of usage.
func wantsFlags(cmd *cobra.Command, _ []string) error {
	err := cmd.ValidateRequiredFlags() // required flag(s) "until", "why" not set
	if err == nil {
		return nil
	}
	var missing []string
	for i, name := range strings.Split(err.Error(), `"`) {
		if f := cmd.Flag(name); i%2 == 1 && f != nil {
			missing = append(missing, "--"+name+" ("+f.Usage+")")
		}
	}
	if len(missing) == 0 {
		return usage("%w; see %s --help", err, cmd.CommandPath())
	}
	return usage("%s wants %s; see %s --help", cmd.CommandPath(), strings.Join(missing, ", "), cmd.CommandPath())
}

// exactly wants n arguments, and names them if they are not there.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("%s wants %s; see %s --help", cmd.CommandPath(), names, cmd.CommandPath())
		}
		return nil
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Say which build this is", Args: exactly(0, "nothing more"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "penstock "+version())
			return err
		}}
}

// version is the module's version, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value
		}
	}
	if v == "" {
		return "(devel)"
	}
	return v
}

var errNoTerminal = errors.New("there is no terminal to ask on; run this where a person can answer")
