package people

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Bounds of a public key.
const (
	minRSA      = 3072 // bits
	maxRSA      = 8192 // bits: a larger one does not fit a leaf
	maxKeyText  = 4096 // bytes
	maxKeyWords = 2    // type and blob; a comment is dropped
)

var keyTypes = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519,
	ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256,
	ssh.KeyAlgoRSA,
}

// parseKey reads one public key in authorized_keys form (sshd(8)) and gives type
// and blob, without a comment, and its SHA256 fingerprint. It refuses options,
// certificates, DSA, RSA below 3072 bits, and private keys with a warning.
func parseKey(text string) (public, fingerprint string, err error) {
	if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, "PuTTY-User-Key-File") {
		return "", "", errors.New("this is a private key: give it to nobody, make a new pair, and use the line of the .pub file")
	}
	text = strings.TrimSpace(text)
	if len(text) > maxKeyText || strings.ContainsAny(text, "\n\r\x00") {
		return "", "", errors.New("a public key is one line, such as: ssh-ed25519 AAAA…")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", "", errors.New("this is no public key; it looks like: ssh-ed25519 AAAA… (the .pub file)")
	}
	if len(options) > 0 {
		return "", "", errors.New("a key stands here without options: only type and base64")
	}
	if err := goodKey(key); err != nil {
		return "", "", err
	}
	return authorized(key), ssh.FingerprintSHA256(key), nil
}

func goodKey(key ssh.PublicKey) error {
	if _, ok := key.(*ssh.Certificate); ok {
		return errors.New("this is a certificate; give the plain public key that it certifies")
	}
	if !slices.Contains(keyTypes, key.Type()) {
		return fmt.Errorf("keys of type %.40q are not taken; make one with: ssh-keygen -t ed25519", key.Type())
	}
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil // sk-*: held in hardware
	}
	if pub, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok {
		if n := pub.N.BitLen(); n < minRSA || n > maxRSA {
			return fmt.Errorf("an RSA key has %d to %d bits, this one %d; make one with: ssh-keygen -t ed25519", minRSA, maxRSA, n)
		}
	}
	return nil
}

// authorized is type and base64 blob, one space between.
func authorized(key ssh.PublicKey) string {
	words := bytes.Fields(ssh.MarshalAuthorizedKey(key))
	return string(bytes.Join(words[:maxKeyWords], []byte(" ")))
}
