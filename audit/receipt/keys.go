package receipt

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"

	"penstock/audit"
	"penstock/audit/durable"
)

// The key pair in DATA/keys: receipt.key (0600) is PKCS #8 in PEM, receipt.pub
// (0644) a JWK set (RFC 7517) of the key in use and of those before it.
const (
	KeyFile = "receipt.key"
	PubFile = "receipt.pub"
)

// maxKeys bounds a set: a key is changed once in years.
const maxKeys = 100

// Keys is a set of public keys, by RFC 7638 thumbprint.
type Keys map[string]jose.JSONWebKey

// ParseKeys reads a JWK set of Ed25519 public keys. A private key in it is an error.
func ParseKeys(b []byte) (Keys, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, errors.New("no JWK set (RFC 7517)") // the library's words could quote a private key
	}
	if len(set.Keys) == 0 || len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("a set of %d keys: 1 to %d are expected", len(set.Keys), maxKeys)
	}
	keys := Keys{}
	for _, k := range set.Keys {
		public, ok := k.Key.(ed25519.PublicKey)
		if !ok {
			return nil, errors.New("a key that is no Ed25519 public key")
		}
		k, err := publicKey(public)
		if err != nil {
			return nil, err
		}
		keys[k.KeyID] = k
	}
	return keys, nil
}

// publicKey is a key as it is published: named by its thumbprint, never by itself.
func publicKey(public ed25519.PublicKey) (jose.JSONWebKey, error) {
	k := jose.JSONWebKey{Key: public, Algorithm: string(jose.EdDSA), Use: "sig"}
	print, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return k, fmt.Errorf("name a receipt key: %w", err)
	}
	k.KeyID = base64.RawURLEncoding.EncodeToString(print)
	return k, nil
}

// named is the key as a node.started leaf has it: the 32 bytes, base64url.
func named(s string) (jose.JSONWebKey, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return jose.JSONWebKey{}, errors.New("no Ed25519 public key")
	}
	return publicKey(b)
}

// Open loads the signing key from dir (DATA/keys), or makes one where there is
// none, and keeps receipt.pub true: a key that went before stays in it, so that
// its receipts can still be checked. A key that others may read is an error.
func Open(dir string) (*Signer, error) {
	path := filepath.Join(dir, KeyFile)
	text, err := audit.ReadPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, fmt.Errorf("make the key of receipts: %w", err)
		}
		text, err = audit.ReadPrivate(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the key of receipts: %w", err)
	}
	private, err := parsePrivate(text)
	if err != nil {
		return nil, fmt.Errorf("the key of receipts: %s %w", path, err)
	}
	s, err := newSigner(private)
	if err != nil {
		return nil, err
	}
	return s, s.publish(filepath.Join(dir, PubFile))
}

func makeKey(path string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// parsePrivate never quotes what it reads.
func parsePrivate(text string) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("is no PEM file: bring it back from a backup")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := k.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("holds no Ed25519 key: bring it back from a backup")
	}
	return private, nil
}

// publish writes the set to path if the key in use is not the first of it.
func (s *Signer) publish(path string) error {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.public}}
	b, err := os.ReadFile(path)
	if err == nil {
		before, err := ParseKeys(b)
		if err != nil {
			return fmt.Errorf("the public keys of receipts: %s: %w; move it away, and one with the key in use is made", path, err)
		}
		delete(before, s.public.KeyID)
		var old jose.JSONWebKeySet
		_ = json.Unmarshal(b, &old) // ParseKeys has read the same bytes
		for _, k := range old.Keys {
			if k, ok := before[k.KeyID]; ok {
				set.Keys = append(set.Keys, k)
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the public keys of receipts: %w", err)
	}
	if s.set, err = json.Marshal(set); err != nil {
		return fmt.Errorf("write the public keys of receipts: %w", err)
	}
	if string(b) == string(s.set)+"\n" {
		return nil
	}
	return durable.WriteFile(path, append(s.set[:len(s.set):len(s.set)], '\n'), 0o644)
}
