package audit

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit/durable"
)

// The log's key pair in DATA/keys: log.key (0600) is the note signer key,
// log.pub (0644) the verifier key, which is what goes to auditors and witnesses.
const (
	logKeyFile = "log.key"
	logPubFile = "log.pub"
)

// LogKeys loads the signing key of a log from dir (DATA/keys), or makes one for
// origin where there is none. A key that others than its owner may read, or
// that is another origin's, is an error. log.pub is written where it is missing.
func LogKeys(dir, origin string) (note.Signer, note.Verifier, error) {
	path := filepath.Join(dir, logKeyFile)
	skey, err := ReadPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeLogKeys(dir, origin); err != nil {
			return nil, nil, fmt.Errorf("make the log's key: %w", err)
		}
		skey, err = ReadPrivate(path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the log's key: %w", err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		return nil, nil, fmt.Errorf("the log's key: %s: %w", path, err)
	}
	if s.Name() != origin {
		return nil, nil, fmt.Errorf("the log's key: %s is the key of %q, and this log is %q: give back the old name, or start a new data directory", path, s.Name(), origin)
	}
	v, err := LogVerifier(dir)
	if err != nil {
		return nil, nil, err
	}
	if v.Name() != s.Name() || v.KeyHash() != s.KeyHash() {
		return nil, nil, fmt.Errorf("the log's key: %s and %s are no pair", path, logPubFile)
	}
	return s, v, nil
}

// LogVerifier loads log.pub from dir (DATA/keys): all that checking a log needs.
func LogVerifier(dir string) (note.Verifier, error) {
	path := filepath.Join(dir, logPubFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the log's verifier key: %w", err)
	}
	v, err := note.NewVerifier(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("the log's verifier key: %s: %w", path, err)
	}
	return v, nil
}

// makeLogKeys writes log.pub first: a key without its public half would need
// its private half opened to find it again.
func makeLogKeys(dir, origin string) error {
	if strings.ContainsAny(origin, "+ \t\r\n") || origin == "" {
		return fmt.Errorf("%q is no origin: it has neither spaces nor a plus", origin)
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return err
	}
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, logPubFile), []byte(vkey+"\n"), 0o644); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, logKeyFile), []byte(skey+"\n"), 0o600)
}

// ReadPrivate reads a key file of at most 4 KiB, spaces around it left out. One
// that anybody but its owner may read is an error; fs.ErrNotExist.
func ReadPrivate(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no ordinary file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s may be read by others (%04o): chmod 600 it, and think about who has read it", path, info.Mode().Perm())
	}
	b := make([]byte, 4096)
	n, err := f.Read(b)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return strings.TrimSpace(string(b[:n])), nil
}
