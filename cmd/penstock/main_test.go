package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// TestMain lets more tests run side by side than there are processors: those
// that are long mostly wait, for the next code or for a window's end.
func TestMain(m *testing.M) {
	if os.Getenv(zoneProcess) != "" {
		if err := liveInZone(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", "6"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", quickRace) // of the commands that the tests run
	}
	code := m.Run()
	for _, dir := range built {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// quickRace spares each command that was built with the race detector a second of
// sleep at its end: the stories run hundreds. brokerRace is for the broker, whose
// first race ends it.
const (
	quickRace  = "atexit_sleep_ms=0"
	brokerRace = "GORACE=halt_on_error=1 exitcode=66 atexit_sleep_ms=0"
)

// built are the folders of the commands that the tests run, each built once.
var built []string

// buildBinaries builds both commands, the broker's with the race detector where
// the tests have it. The verifier runs hundreds of times and has no races to find
// that its own tests would not.
func buildBinaries(t *testing.T) string {
	t.Helper()
	dir, err := builtHere()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// buildFast builds both commands without the race detector, which makes each
// password take a second: the stories have it.
func buildFast(t *testing.T) string {
	t.Helper()
	dir, err := builtFast()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var (
	builtHere = sync.OnceValues(func() (string, error) {
		if !raceEnabled {
			return builtFast()
		}
		return build([]string{"-race", "penstock/cmd/penstock"}, []string{"penstock/cmd/penstock-verify"})
	})
	builtFast = sync.OnceValues(func() (string, error) {
		return build([]string{"penstock/cmd/penstock", "penstock/cmd/penstock-verify"})
	})
	compiling sync.Mutex // one at a time, and built
)

func build(each ...[]string) (string, error) {
	compiling.Lock()
	defer compiling.Unlock()
	dir, err := os.MkdirTemp("", "penstock-built")
	if err != nil {
		return "", err
	}
	built = append(built, dir)
	for _, what := range each {
		if out, err := exec.Command("go", append([]string{"build", "-o", dir + "/"}, what...)...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	return dir, nil
}
