// Package seal keeps small secrets as documents that only a key of keys/ opens:
// what is on the disk is ciphertext (age, X25519). A copy of the key and of the
// documents opens all of them, which broker/README.md says.
package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/durable"
)

// maxPlain bounds an opened document, in bytes.
const maxPlain = 64 << 10

// mostKeys bounds those of one file: each is a way back after an incident.
const mostKeys = 64

// Box seals to the newest key of its file and opens what was sealed to any of them.
// Safe for concurrent use.
type Box struct {
	keys []*age.X25519Identity // the newest first
	docs *audit.Documents
}

// Open loads the key, or makes it where there is none: path is keys/seal.key,
// age identities a line each, the newest first, 0600; wider is refused.
func Open(path string, docs *audit.Documents) (*Box, error) {
	keys, err := load(path)
	if err != nil {
		return nil, err
	}
	return &Box{keys, docs}, nil
}

// Renew puts a new key before those of the file, after an incident: a copy of the
// file that was taken before opens nothing that is sealed from the next Open on,
// and what was sealed before still opens here. It gives both public halves.
func Renew(path string) (old, fresh string, err error) {
	keys, err := load(path)
	if err != nil {
		return "", "", err
	}
	if len(keys) == mostKeys {
		return "", "", fmt.Errorf("%s holds %d keys, and no more fit", path, mostKeys)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", err
	}
	text := id.String() + "\n"
	for _, k := range keys {
		text += k.String() + "\n"
	}
	if err := durable.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", "", fmt.Errorf("put a new key into %s: %w", path, err)
	}
	return keys[0].Recipient().String(), id.Recipient().String(), nil
}

// Put seals plain and keeps it; the document is durable on return.
func (b *Box) Put(ctx context.Context, plain []byte) (audit.Hash, error) {
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, b.keys[0].Recipient())
	if err != nil {
		return audit.Hash{}, err
	}
	if _, err := w.Write(plain); err != nil {
		return audit.Hash{}, err
	}
	if err := w.Close(); err != nil {
		return audit.Hash{}, err
	}
	return b.docs.Put(ctx, sealed.Bytes())
}

// Get opens a document. What it gives is the caller's to wipe.
func (b *Box) Get(ctx context.Context, h audit.Hash) ([]byte, error) {
	sealed, err := b.docs.Get(ctx, h)
	if err != nil {
		return nil, err
	}
	all := make([]age.Identity, len(b.keys))
	for i, k := range b.keys {
		all[i] = k
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), all...)
	if err != nil {
		return nil, fmt.Errorf("open sealed document %s with keys/seal.key: %w", h, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	if err == nil && len(plain) > maxPlain {
		err = errors.New("too large")
	}
	if err != nil {
		return nil, fmt.Errorf("open sealed document %s: %w", h, err)
	}
	return plain, nil
}

// load reads the age identities, or makes one.
func load(path string) ([]*age.X25519Identity, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		id, err := makeKey(path)
		return []*age.X25519Identity{id}, err
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): if nobody has copied it, chmod 600 %s", path, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 8<<10))
	if err != nil {
		return nil, err
	}
	var keys []*age.X25519Identity
	for line := range strings.Lines(strings.TrimSpace(string(b)) + "\n") {
		id, err := age.ParseX25519Identity(strings.TrimSpace(line)) // its words could hold the key
		if err != nil || len(keys) == mostKeys {
			return nil, fmt.Errorf("%s holds something else than age identities: bring it back from a backup; without it everybody sets password and code anew", path)
		}
		keys = append(keys, id)
	}
	return keys, nil
}

func makeKey(path string) (*age.X25519Identity, error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(dir, ".tmp-*") // 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = io.WriteString(tmp, id.String()+"\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		return nil, fmt.Errorf("make %s: %w", path, err)
	}
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	return id, errors.Join(folder.Sync(), folder.Close())
}
