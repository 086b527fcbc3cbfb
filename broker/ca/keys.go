package ca

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile bounds what is read of a key file, in bytes.
const maxKeyFile = 16 << 10

// generate makes a private key of the kind that kind names.
//
// Vendors see Ed25519. Toward targets it is ECDSA P-256: a stock sshd checks a
// certificate five times in one login, and takes 2 ms of its own code for each
// Ed25519 signature where its library takes 0.1 ms for P-256; and a target in
// FIPS mode takes no Ed25519 at all.
func generate(kind string) (crypto.PrivateKey, error) {
	if kind == ssh.KeyAlgoECDSA256 {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return private, err
}

// loadKey reads one key, or makes one of that kind. A key that other accounts of the
// machine can read is no key of ours any more.
func loadKey(dir, name, kind string, create bool) (ssh.Signer, error) {
	path := filepath.Join(dir, name)
	b, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		if b, err = makeKey(path, name, kind); err != nil {
			return nil, fmt.Errorf("make key %s: %w", path, err)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the key %s is missing: bring it back from a backup; a new one would not be trusted by those who know the old", path)
	}
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s is not an OpenSSH private key without a passphrase: bring it back from a backup", path)
	}
	switch got := signer.PublicKey().Type(); got {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256: // either does; a key that is there is not made anew for speed
	default:
		return nil, fmt.Errorf("%s is of type %s: an authority's key is %s or %s", path, got, ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256)
	}
	return signer, nil
}

func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a plain file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): if nobody has copied it, chmod 600 %s", path, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(b) > maxKeyFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxKeyFile)
	}
	return b, err
}

func makeKey(path, name, kind string) ([]byte, error) {
	private, err := generate(kind)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "penstock "+name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := pem.Encode(&b, block); err != nil {
		return nil, err
	}
	return b.Bytes(), writePrivate(path, b.Bytes())
}

// writePrivate puts a new file at path, whole or not at all, and never over one
// that is there: what is signed with the old key would be lost.
func writePrivate(path string, b []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".tmp-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil { // unlike Rename, fails if path is there
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
