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
)

// maxPlain bounds an opened document, in bytes.
const maxPlain = 64 << 10

// Box seals to one key and opens what was sealed to it. Safe for concurrent use.
type Box struct {
	key  *age.X25519Identity
	docs *audit.Documents
}

// Open loads the key, or makes it where there is none: path is keys/seal.key,
// an age identity, 0600; wider is refused.
func Open(path string, docs *audit.Documents) (*Box, error) {
	key, err := load(path)
	if err != nil {
		return nil, err
	}
	return &Box{key, docs}, nil
}

// Put seals plain and keeps it; the document is durable on return.
func (b *Box) Put(ctx context.Context, plain []byte) (audit.Hash, error) {
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, b.key.Recipient())
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
	r, err := age.Decrypt(bytes.NewReader(sealed), b.key)
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

// load reads the age identity, or makes it.
func load(path string) (*age.X25519Identity, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
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
	b, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return nil, err
	}
	id, err := age.ParseX25519Identity(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("%s is no age identity: bring it back from a backup; without it everybody sets password and code anew", path)
	}
	return id, nil
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
