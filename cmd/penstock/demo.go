package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"penstock/cmd/penstock/demo"
	"penstock/configs"
)

func demoCommand() *cobra.Command {
	o := demo.Options{Serve: serveFile, Plant: configs.Plant(), Stories: configs.PlantStories()}
	cmd := &cobra.Command{Use: "demo", Short: "Run a small plant on this machine, to try things out",
		Long: `Run a broker, the example plant (a filling line, two machines with ssh, two with Modbus)
and five people on loopback, all in one folder, without root. It says what to type next and
stays until Ctrl-C; a second run goes on with the same people, line and log.

With --walk it plays the whole thread by itself and exits 0 only if every step did
what was expected. Passwords and code secrets of its people lie in the folder in the clear.`,
		Example: "  penstock demo\n  penstock demo --walk\n  penstock demo code olaf\n  penstock demo fault",
		Args:    exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Walk && o.JSON {
				return usage("say --walk or --json: one plays and ends, the other stays")
			}
			var err error
			if o.Self, o.Verify, err = ownBinaries(); err != nil {
				return err
			}
			o.Out = cmd.OutOrStdout()
			if o.Walk && !cmd.Flags().Changed("ssh") {
				o.SSH = "127.0.0.1:0" // nobody types this one
			}
			if o.Walk && !cmd.Flags().Changed("https") {
				o.HTTPS = "127.0.0.1:0"
			}
			// A closed terminal ends the demo; for serve a hang-up means reload.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
			defer stop()
			err = demo.Run(ctx, o)
			if ctx.Err() != nil && errors.Is(err, context.Canceled) {
				return errors.New("ended before it was done; all of it is stopped")
			}
			return err
		}}
	f := cmd.Flags()
	f.StringVar(&o.SSH, "ssh", "127.0.0.1:2222", "loopback address of the broker; port 0 takes a free one, as --walk does unless told")
	f.StringVar(&o.HTTPS, "https", "127.0.0.1:8443", "loopback address of the pages; likewise")
	f.BoolVar(&o.Walk, "walk", false, "play the whole thread, prove its record, and end")
	f.BoolVar(&o.JSON, "json", false, "say addresses, people and files as one JSON object, then stay")
	cmd.PersistentFlags().StringVar(&o.Dir, "dir", demoFolder(), "folder that everything is in ($PENSTOCK_DEMO)")
	cmd.AddCommand(demoCodeCommand(&o.Dir), demoFaultCommand(&o.Dir), demoStartCommand(&o.Dir), demoKeyCommand(&o.Dir), demoRegistersCommand())
	return cmd
}

func demoFaultCommand(dir *string) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{Use: "fault", Short: "Stop the filler of the running demo: alarm F-417, and Ann asks to come in",
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demoReached(demo.Fault(cmd.Context(), *dir, asJSON, cmd.OutOrStdout()))
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "the panel's state as one JSON object")
	return cmd
}

func demoCodeCommand(dir *string) *cobra.Command {
	return &cobra.Command{Use: "code PERSON", Short: "Show a code of a demo person's generator; each is good once",
		Args: exactly(1, "a person of the demo, such as olaf"),
		RunE: func(cmd *cobra.Command, args []string) error {
			code, err := demo.Code(cmd.Context(), *dir, args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), code)
			return err
		}}
}

func demoStartCommand(dir *string) *cobra.Command {
	return &cobra.Command{Use: "start", Short: "Start the line of the running demo again, as its panel does",
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demoReached(demo.StartLine(cmd.Context(), *dir, cmd.OutOrStdout()))
		}}
}

func demoKeyCommand(dir *string) *cobra.Command {
	return &cobra.Command{Use: "key", Short: "Turn the vendor key switch A3 at the running demo's panel, off or on again",
		Args: exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demoReached(demo.TurnKey(cmd.Context(), *dir, cmd.OutOrStdout()))
		}}
}

func demoReached(err error) error {
	if errors.Is(err, demo.ErrNotRunning) {
		return exit{exitNoReach, err}
	}
	return err
}

func demoRegistersCommand() *cobra.Command {
	volume := -1
	cmd := &cobra.Command{Use: "registers ADDRESS", Short: "Read the filler's registers by Modbus, such as through ssh -L",
		Example: "  penstock demo registers 127.0.0.1:1502\n  penstock demo registers 127.0.0.1:1502 --fill-volume 800",
		Args:    exactly(1, "address and port, such as 127.0.0.1:1502"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("fill-volume") && (volume < 0 || volume > 65535) {
				return usage("--fill-volume takes 0 to 65535, which is what a register holds; the sheet has 0 to 1000 ml")
			}
			return demo.Registers(cmd.Context(), args[0], volume, cmd.OutOrStdout())
		}}
	cmd.Flags().IntVar(&volume, "fill-volume", -1, "write this to 40012 first, in ml")
	return cmd
}

// demoFolder is where the demo lives unless it is told otherwise.
func demoFolder() string {
	if dir := os.Getenv("PENSTOCK_DEMO"); dir != "" {
		return dir
	}
	return "penstock-demo"
}

// ownBinaries are this command and penstock-verify beside it or in PATH.
func ownBinaries() (self, verify string, err error) {
	if self, err = os.Executable(); err != nil {
		return "", "", fmt.Errorf("find this command's own file: %w", err)
	}
	verify = filepath.Join(filepath.Dir(self), "penstock-verify")
	if _, err := os.Stat(verify); err == nil {
		return self, verify, nil
	}
	if verify, err = exec.LookPath("penstock-verify"); err != nil {
		return "", "", errors.New("penstock-verify is neither beside penstock nor in PATH: build both, go build -o . ./cmd/...")
	}
	return self, verify, nil
}

// serveFile is serve as the demo runs it.
func serveFile(ctx context.Context, config string, logger *slog.Logger) error {
	f, err := readServerFile(config)
	if err != nil {
		return err
	}
	return serve(ctx, f, logger)
}
