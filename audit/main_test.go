package audit

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// tempBase is for tests whose *rapid.T has no TempDir.
var tempBase string

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := appendForever(dir, os.Getenv(childDir+"_KEY")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	var err error
	if tempBase, err = os.MkdirTemp("", "penstock-audit"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(tempBase)
		os.Exit(code)
	}))
}
