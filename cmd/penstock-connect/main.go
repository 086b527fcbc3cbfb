// Package main is "penstock connect" alone, for a vendor's own computer: Linux,
// macOS and Windows, without installing and without an administrator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"penstock/broker/connect"
)

func main() {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	code := run(ctx, os.Args[1:])
	if code != connect.ExitDone && ownWindow() { // else nobody could read why
		fmt.Fprint(os.Stderr, "\nPress Enter to close this window. ")
		stopped := make(chan struct{})
		go func() {
			_, _ = fmt.Fscanln(os.Stdin) // what is typed means nothing
			close(stopped)
		}()
		select {
		case <-stopped:
		case <-ctx.Done():
		}
	}
	os.Exit(code)
}

// run is one call, and its exit code (DESIGN 5.3).
func run(ctx context.Context, args []string) int {
	var o connect.Options
	flags := flag.NewFlagSet("penstock-connect", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "penstock-connect [flags] [W-17 …]\n\n%s\n\n", connect.Help)
		flags.PrintDefaults()
	}
	o.Flags(flags)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return connect.ExitDone
	}
	if err != nil {
		return connect.ExitUsage
	}
	if err = o.Take(flags.Args()); err == nil {
		err = connect.Run(ctx, o, connect.Screen(os.Stdout, os.Stderr))
	}
	if err == nil {
		return connect.ExitDone
	}
	fmt.Fprintln(os.Stderr, "penstock-connect: "+err.Error())
	if s, ok := errors.AsType[*connect.Stop](err); ok {
		return s.Code
	}
	return connect.ExitError
}
