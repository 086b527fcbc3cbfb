// Measure compares Penstock with stock OpenSSH: set-up, keystrokes, streams and
// memory by each way to one and the same sshd, in turns within one run, so that
// the ratios mean something on any machine. It imports nothing of ours: it drives
// the built penstock as people do, on loopback, and ends every process it started.
// A missed goal is printed, not an error; exit 1 means that something could not
// be measured.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// longest bounds a whole run; the usual one takes some three minutes.
const longest = 15 * time.Minute

// maxRounds keeps a run below the half hour that the demo's window is open.
const maxRounds = 20

func init() {
	runtime.LockOSThread() // daemons die with the thread that started them: it has to be main's
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	ctx, cancel := context.WithTimeout(ctx, longest)
	err := run(ctx)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	rounds := flag.Int("rounds", 3, "how often everything is measured, 1 to 20")
	asJSON := flag.Bool("json", false, "print the result as one JSON object")
	binary := flag.String("penstock", "", "absolute path of the penstock binary")
	only := flag.String("only", "", "measure this part alone: "+strings.Join(partNames(), ", "))
	inspected := flag.String("modbus", "", "absolute path of broker's test binary, for its BenchmarkModbus")
	dir := flag.String("dir", "", "absolute folder to work in, on the disk to measure")
	flag.Parse()
	if flag.NArg() > 0 || *rounds < 1 || *rounds > maxRounds || *binary == "" || *inspected == "" || *dir == "" {
		return fmt.Errorf("usage: ./scripts/bench [--rounds N] [--only PART] [--json], with N from 1 to %d", maxRounds)
	}
	if *only != "" && !slices.Contains(partNames(), *only) {
		return fmt.Errorf("--only %q is no part: name one of %s", *only, strings.Join(partNames(), ", "))
	}
	tell := func(text string) { fmt.Fprintln(os.Stderr, "…", text) }
	p, err := raise(ctx, *binary, *dir, tell)
	if p != nil {
		defer p.end()
	}
	if err != nil {
		p.complain()
		return err
	}
	r, err := measure(ctx, p, *rounds, *only, *inspected, tell)
	if err != nil {
		p.complain()
		return err
	}
	if *asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return r.print(os.Stdout)
}

// part is one thing that is measured by itself.
type part struct {
	name, about string
	take        func(context.Context, *plant, int) ([]line, error)
}

// parts in the order in which they are taken: memory first, while the broker is fresh.
func parts(inspected string) []part {
	return []part{
		{"memory", "memory of idle sessions", idle},
		{"set-up", "set-up", setUp},
		{"keystrokes", "keystrokes", keystrokes},
		{"streams", "streams", streams},
		{"disk", "disk", disk},
		{"modbus", "an inspected stream", modbus(inspected)},
		{"cut", "how soon a cut holds, with 500 sessions", cut}, // last: the plant is an island then
	}
}

func partNames() []string {
	var names []string
	for _, one := range parts("") {
		names = append(names, one.name)
	}
	return names
}

// measure takes all parts, or the one named only.
func measure(ctx context.Context, p *plant, rounds int, only, inspected string, tell func(string)) (result, error) {
	r := result{Machine: machineName(), Date: time.Now().Format(time.DateOnly), Rounds: rounds}
	for _, one := range parts(inspected) {
		if only != "" && one.name != only {
			continue
		}
		tell("measuring " + one.about)
		lines, err := one.take(ctx, p, rounds)
		if err != nil {
			return r, fmt.Errorf("measure %s: %w", one.about, err)
		}
		r.Lines = append(r.Lines, lines...)
	}
	return r, nil
}
