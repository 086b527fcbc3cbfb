package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands of the stories about files:
//
//	hashed FILE REGEXP [REGEXP]  the log has a file.transferred with the hash in FILE that both match
//	sum NAME FILE                sets $NAME to the file's SHA-256, as sha256sum prints it
func init() {
	sceneCommands["hashed"] = noNeg((*story).hashed)
	sceneCommands["sum"] = noNeg((*story).sum)
}

func (s *story) sum(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: sum NAME FILE")
	}
	ts.Setenv(args[0], fmt.Sprintf("%x", sha256.Sum256([]byte(ts.ReadFile(args[1])))))
	return nil
}

func (s *story) hashed(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: hashed FILE REGEXP [REGEXP]")
	}
	sum := strings.TrimSpace(ts.ReadFile(args[0]))
	err := until("the log has file.transferred "+sum, func() (bool, error) {
		found, err := s.leaves("file.transferred", `"sha256":"sha256:`+regexp.QuoteMeta(sum)+`"`)
		for _, line := range found {
			fits := true
			for _, want := range args[1:] {
				fits = fits && regexp.MustCompile(want).MatchString(line)
			}
			if fits {
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		told, _ := s.leaves("file.transferred", "") // only to show it
		return fmt.Errorf("%w; it has\n%s\n%s", err, indent(strings.Join(told, "\n")), s.broken())
	}
	return nil
}
