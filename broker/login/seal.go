package login

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

// maxSealed bounds an opened document, in bytes.
const maxSealed = 64 << 10

// put seals a document to our key; what is on the disk is ciphertext only.
func (p *Proofs) put(ctx context.Context, plain []byte) (audit.Hash, error) {
	var b bytes.Buffer
	w, err := age.Encrypt(&b, p.seal.Recipient())
	if err != nil {
		return audit.Hash{}, err
	}
	if _, err := w.Write(plain); err != nil {
		return audit.Hash{}, err
	}
	if err := w.Close(); err != nil {
		return audit.Hash{}, err
	}
	return p.docs.Put(ctx, b.Bytes())
}

func (p *Proofs) open(ctx context.Context, h audit.Hash) ([]byte, error) {
	b, err := p.docs.Get(ctx, h)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(b), p.seal)
	if err != nil {
		return nil, fmt.Errorf("open sealed document %s with keys/seal.key: %w", h, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxSealed+1))
	if err == nil && len(plain) > maxSealed {
		err = errors.New("too large")
	}
	if err != nil {
		return nil, fmt.Errorf("open sealed document %s: %w", h, err)
	}
	return plain, nil
}

// loadSeal reads the age identity, or makes it.
func loadSeal(path string) (*age.X25519Identity, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSeal(path)
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

func makeSeal(path string) (*age.X25519Identity, error) {
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
