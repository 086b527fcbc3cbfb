package ca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// rotated are the keys that Rotate makes anew, and their kinds.
var rotated = []struct{ file, kind string }{{"host_ca", ssh.KeyAlgoED25519}, {"in_ca", ssh.KeyAlgoED25519}, {"out_ca", ssh.KeyAlgoECDSA256}, {"host_key", ssh.KeyAlgoED25519}}

// Prints are the fingerprints of the three authorities and the plain host key in
// dir, by file; one that is not there is left out.
func Prints(dir string) (map[string]string, error) {
	prints := map[string]string{}
	for _, k := range rotated {
		signer, err := loadKey(dir, k.file, k.kind, false)
		if _, gone := os.Stat(filepath.Join(dir, k.file)); errors.Is(gone, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		prints[k.file] = ssh.FingerprintSHA256(signer.PublicKey())
	}
	return prints, nil
}

// Rotate makes every key anew. The old one is deleted first: certificates that it
// signed are worth nothing from the next start on. Begun again, it makes all of
// them once more: what somebody wrote about an earlier time is no reason to keep
// one. No Authorities may be open on dir that are to issue anything afterwards.
func Rotate(dir string) error {
	for _, k := range rotated {
		path := filepath.Join(dir, k.file)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("take %s away: %w", path, err)
		}
		if _, err := loadKey(dir, k.file, k.kind, true); err != nil {
			return fmt.Errorf("make %s anew: %w", path, err)
		}
	}
	return nil
}
