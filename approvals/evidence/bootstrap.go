package evidence

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// bootstrap is what Walk needs of the file that the first leaf names: the first
// firms, people, roles and keys. It is read here anew, by less code than the
// broker's, so that the check does not rest on what it checks; what else the
// file says is not looked at.
type bootstrap struct {
	Firms map[string]struct {
		Plant    bool     `yaml:"plant"`
		Sponsor  string   `yaml:"sponsor"`
		Until    string   `yaml:"until"`
		Networks []string `yaml:"networks"`
	} `yaml:"firms"`
	People map[string]struct {
		Firm  string   `yaml:"firm"`
		Roles []string `yaml:"roles"`
		Key   string   `yaml:"key"`
	} `yaml:"people"`
}

const maxBootstrap = 1 << 20

func parseBootstrap(b []byte) (bootstrap, error) {
	var f bootstrap
	if len(b) > maxBootstrap {
		return f, fmt.Errorf("%d bytes, at most %d", len(b), maxBootstrap)
	}
	if err := yaml.Load(b, &f, yaml.WithUniqueKeys()); err != nil {
		return bootstrap{}, err
	}
	if len(f.Firms) == 0 || len(f.People) == 0 {
		return f, errors.New("it names no firms or no people")
	}
	for id, p := range f.People {
		if _, ok := f.Firms[p.Firm]; !ok {
			return f, fmt.Errorf("%s is of firm %q, which it does not name", short(id), short(p.Firm))
		}
	}
	return f, nil
}

// fingerprint is OpenSSH's for an authorized_keys line: SHA256: and the base64
// of the blob's SHA-256.
func fingerprint(line string) (string, error) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "", errors.New("is not an authorized_keys line")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil || len(blob) == 0 {
		return "", errors.New("its blob is not base64")
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), nil
}

// lastDay is the end of a day in UTC, or a moment; zero: neither.
func lastDay(s string) time.Time {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, 1)
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return at.UTC().Truncate(time.Second)
}
