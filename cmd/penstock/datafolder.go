package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"

	"penstock/audit/durable"
)

// dataFolder names the parts of a data directory (DESIGN 5.4).
type dataFolder string

func (d dataFolder) log() string        { return filepath.Join(string(d), "log") }
func (d dataFolder) heads() string      { return filepath.Join(string(d), "log", "heads") }
func (d dataFolder) reserve() string    { return filepath.Join(string(d), "log", "reserve") }
func (d dataFolder) outside() string    { return filepath.Join(string(d), "log", "outside") }
func (d dataFolder) search() string     { return filepath.Join(string(d), "search") }
func (d dataFolder) siem() string       { return filepath.Join(string(d), "siem") }
func (d dataFolder) notices() string    { return filepath.Join(string(d), "notices") }
func (d dataFolder) documents() string  { return filepath.Join(string(d), "documents") }
func (d dataFolder) recordings() string { return filepath.Join(string(d), "recordings") }
func (d dataFolder) keys() string       { return filepath.Join(string(d), "keys") }
func (d dataFolder) state() string      { return filepath.Join(string(d), "state.db") }

// make creates the folder and keys/, durable, and refuses keys that others can read.
func (d dataFolder) make() error {
	for _, dir := range []string{string(d), d.keys()} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the data directory: %w", err)
		}
	}
	if err := d.refuseUnfinished(); err != nil {
		return err
	}
	return d.checkKeys()
}

// checkKeys refuses a keys folder, or a private key in it, that anybody but its
// owner can read. Public halves end in .pub.
func (d dataFolder) checkKeys() error {
	return filepath.WalkDir(d.keys(), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("look at the keys: %w", err)
		}
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("look at the keys: %w", err)
		}
		if filepath.Ext(path) != ".pub" && info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s can be read by others (%v): run chmod go-rwx %s, and think about who may have read it", path, info.Mode().Perm(), path)
		}
		return nil
	})
}

// logKeys are made before the log, madeKeys before a node first says that it
// started; recordings.key only where recordings are readable (recordingsKey).
var (
	logKeys  = []string{"log.key", "log.pub"}
	madeKeys = []string{"seal.key", "host_ca", "in_ca", "out_ca", "host_key"}
)

// hasKeys refuses where one of the keys that there were is gone: a new one made
// in silence would be one that nobody trusts, or that opens nothing of before.
func (d dataFolder) hasKeys(names ...string) error {
	for _, name := range names {
		path := filepath.Join(d.keys(), name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is missing, and this broker has run with it: bring it back from a backup (what is lost for good: penstock serve --new-keys, but never the log's)", path)
		} else if err != nil {
			return fmt.Errorf("look at the keys: %w", err)
		}
	}
	return nil
}

// identity loads the age identities of keys/name, or makes one where there is none: the
// newest first, to which is sealed; text has all that open (seal.Renew).
func (d dataFolder) identity(name string) (newest *age.X25519Identity, text string, err error) {
	path := filepath.Join(d.keys(), name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return nil, "", fmt.Errorf("make %s: %w", path, err)
		}
		if err := durable.WriteFile(path, []byte(id.String()+"\n"), 0o600); err != nil {
			return nil, "", fmt.Errorf("make %s: %w", path, err)
		}
		return id, id.String(), nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read %s: %w", path, err)
	}
	all, err := age.ParseIdentities(bytes.NewReader(b))
	if err == nil {
		newest, _ = all[0].(*age.X25519Identity)
	}
	if newest == nil {
		return nil, "", fmt.Errorf("%s is no age identity", path) // the error would show the key
	}
	return newest, string(b), nil
}

func trimLine(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}
