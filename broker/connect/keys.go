package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// maxKeyFile is of a private key or certificate file; bytes.
const maxKeyFile = 64 << 10

// usualKeys are the names that stock ssh tries, in our order.
var usualKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// identity is a key that may be the enrolled one. File is empty for a key that
// only the agent has.
type identity struct {
	ssh.Signer
	file string
}

// identities are the keys to try: those named, else the agent's and the usual
// files. One that is locked is unlocked by asking, once, and only if named or
// alone.
func identities(ctx context.Context, o Options, t Terminal) (all []identity, done func(), err error) {
	files, named := o.Identities, len(o.Identities) > 0
	if !named {
		for _, n := range usualKeys {
			files = append(files, filepath.Join(o.sshDir(), n))
		}
	}
	held, done := fromAgent()
	for _, f := range files {
		f = inHome(o.home(), f)
		id, err := fromFile(ctx, f, t, held)
		if errors.Is(err, fs.ErrNotExist) && !named {
			continue
		}
		if err != nil {
			done()
			return nil, nil, err
		}
		all = append(all, id)
	}
	if !named {
		for _, s := range held {
			if !hasKey(all, s.PublicKey()) {
				all = append(all, identity{Signer: s})
			}
		}
	}
	if len(all) == 0 {
		done()
		return nil, nil, stop(ExitUsage, "there is no key: none in %s, none in an agent. Name the one that you enrolled with: -i FILE", o.sshDir())
	}
	return all, done, nil
}

func hasKey(all []identity, k ssh.PublicKey) bool {
	for _, id := range all {
		if bytes.Equal(id.PublicKey().Marshal(), k.Marshal()) {
			return true
		}
	}
	return false
}

// fromAgent are the agent's plain keys; no agent is no error.
func fromAgent() ([]ssh.Signer, func()) {
	c, err := dialAgent(runtime.GOOS, os.Getenv("SSH_AUTH_SOCK"))
	if err != nil {
		return nil, func() {}
	}
	signers, err := agent.NewClient(c).Signers()
	if err != nil {
		c.Close()
		return nil, func() {}
	}
	var plain []ssh.Signer
	for _, s := range signers {
		if _, cert := s.PublicKey().(*ssh.Certificate); !cert && len(plain) < 6 { // more would use up the guesses that the broker allows
			plain = append(plain, s)
		}
	}
	return plain, func() { c.Close() }
}

// fromFile reads one private key; if it is locked, the agent may have it.
func fromFile(ctx context.Context, name string, t Terminal, held []ssh.Signer) (identity, error) {
	b, err := readBounded(name, maxKeyFile)
	if err != nil {
		return identity{}, fmt.Errorf("read the key: %w", err)
	}
	if bytes.HasPrefix(b, []byte("PuTTY-User-Key-File-")) {
		return identity{}, stop(ExitUsage, "%s is a key in PuTTY's form. Save it in OpenSSH's too: PuTTYgen, Load, then the menu Conversions, Export OpenSSH key; and name that file with -i", name)
	}
	s, err := ssh.ParsePrivateKey(b)
	locked := (*ssh.PassphraseMissingError)(nil)
	if errors.As(err, &locked) {
		if s = unlockedBy(held, locked.PublicKey, name); s == nil {
			var pass string
			if pass, err = t.Ask(ctx, "Passphrase of "+name+": ", false); err != nil {
				return identity{}, fmt.Errorf("unlock %s: %w", name, err)
			}
			if s, err = ssh.ParsePrivateKeyWithPassphrase(b, []byte(pass)); err != nil {
				return identity{}, stop(ExitError, "the passphrase of %s is another one; try again", name)
			}
		}
		err = nil
	}
	if err != nil {
		return identity{}, stop(ExitError, "%s is no private key that can be used here (%v); a security key works through an agent: ssh-add %s", name, err, name)
	}
	return identity{Signer: s, file: name}, nil
}

// unlockedBy is the agent's copy of a locked key; its public half stands beside it.
func unlockedBy(held []ssh.Signer, pub ssh.PublicKey, name string) ssh.Signer {
	if pub == nil {
		if b, err := readBounded(name+".pub", maxKeyFile); err == nil {
			pub, _, _, _, _ = ssh.ParseAuthorizedKey(b)
		}
	}
	for _, s := range held {
		if pub != nil && bytes.Equal(s.PublicKey().Marshal(), pub.Marshal()) {
			return s
		}
	}
	return nil
}

// certificate is a vendor's certificate with the key that it is for.
type certificate struct {
	*ssh.Certificate
	key  identity
	file string // where it was written for stock ssh; empty: nowhere
}

// person is whom the certificate names.
func (c certificate) person() string { return c.ValidPrincipals[0] }

// good says whether it lets in for a while longer.
func (c certificate) good(now time.Time, least time.Duration) bool {
	return c.Certificate != nil && now.Add(least).Before(time.Unix(int64(c.ValidBefore), 0)) && !now.Before(time.Unix(int64(c.ValidAfter), 0))
}

// covers says whether it names all of the windows (its key id is w=W-1,W-2;p=…).
func (c certificate) covers(windows []string) bool {
	for part := range strings.SplitSeq(c.KeyId, ";") {
		list, ok := strings.CutPrefix(part, "w=")
		if !ok {
			continue
		}
		has := strings.Split(list, ",")
		for _, w := range windows {
			if !slices.Contains(has, w) {
				return false
			}
		}
		return len(windows) > 0
	}
	return false
}

// parseCertificate reads the one line that cert@ prints, for one of our keys.
func parseCertificate(b []byte, ids []identity) (certificate, error) {
	k, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return certificate{}, fmt.Errorf("read the certificate: %w", err)
	}
	cert, ok := k.(*ssh.Certificate)
	if !ok || cert.CertType != ssh.UserCert || len(cert.ValidPrincipals) != 1 {
		return certificate{}, errors.New("that is no certificate for one person")
	}
	for _, id := range ids {
		if bytes.Equal(id.PublicKey().Marshal(), cert.Key.Marshal()) {
			return certificate{Certificate: cert, key: id}, nil
		}
	}
	return certificate{}, errors.New("the certificate is for another key")
}

// kept is a certificate that stock ssh left beside a key, if it still serves.
func kept(ids []identity, windows []string, now time.Time) (certificate, bool) {
	for _, id := range ids {
		if id.file == "" {
			continue
		}
		b, err := readBounded(id.file+"-cert.pub", maxKeyFile)
		if err != nil {
			continue
		}
		b, wide := narrow(b)
		c, err := parseCertificate(b, []identity{id})
		if err == nil && c.good(now, 5*time.Minute) && c.covers(windows) {
			c.file = id.file + "-cert.pub"
			if wide && c.keep() != nil { // so that stock ssh can read it
				c.file = ""
			}
			return c, true
		}
	}
	return certificate{}, false
}

// keep writes it beside its key, as "ssh cert@broker > FILE" would: stock ssh
// finds it there. It is public; the file is whole or not changed.
func (c *certificate) keep() error {
	if c.key.file == "" {
		return nil
	}
	name := c.key.file + "-cert.pub"
	f, err := os.CreateTemp(filepath.Dir(name), ".penstock-cert-*")
	if err != nil {
		return fmt.Errorf("keep the certificate: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(ssh.MarshalAuthorizedKey(c.Certificate))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("keep the certificate: %w", err)
	}
	c.file = name
	return nil
}
