package people

import (
	"crypto"
	"crypto/dsa" //lint:ignore SA1019 to show that it is refused
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func line(t testing.TB, pub crypto.PublicKey) string {
	t.Helper()
	k, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

// modulus is a public RSA key of a size, which nobody has the private part of.
func modulus(bits int) *rsa.PublicKey {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return &rsa.PublicKey{N: n.Add(n, big.NewInt(3)), E: 65537}
}

func goodKeys(t testing.TB) map[string]string {
	all := map[string]string{"ed25519": key("x"), "with a comment": key("x") + " x@y  z", "rsa 3072": line(t, modulus(3072)), "rsa 4096": line(t, modulus(4096))}
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all[c.Params().Name] = line(t, k.Public())
	}
	// sk-ssh-ed25519@openssh.com by PROTOCOL.u2f: name, 32 bytes, application.
	sk, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Name string
		Key  []byte
		App  string
	}{ssh.KeyAlgoSKED25519, make([]byte, 32), "ssh:"}))
	if err != nil {
		t.Fatal(err)
	}
	all["a key in hardware"] = authorized(sk)
	return all
}

func badKeys(t testing.TB) map[string]string {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{Key: signer.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	p := new(big.Int).Lsh(big.NewInt(1), 1023)
	old := &dsa.PublicKey{Parameters: dsa.Parameters{P: p, Q: new(big.Int).Lsh(big.NewInt(1), 159), G: big.NewInt(2)}, Y: big.NewInt(4)}
	return map[string]string{
		"nothing":             "",
		"a word":              "mallory",
		"a private key":       string(pem.EncodeToMemory(block)),
		"a PuTTY private key": "PuTTY-User-Key-File-3: ssh-ed25519",
		"a certificate":       strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert))),
		"dsa":                 line(t, old),
		"rsa 2048":            line(t, modulus(2048)),
		"rsa 3071":            line(t, modulus(3071)),
		"rsa 16384":           line(t, modulus(16384)),
		"options":             `command="sh",no-pty ` + key("x"),
		"two keys":            key("x") + "\n" + key("y"),
		"a cut key":           key("x")[:40],
		"a very long line":    key("x") + " " + strings.Repeat("x", 5000),
		"a NUL":               key("x") + "\x00",
	}
}

func TestPrivateKeyIsToldApart(t *testing.T) {
	for _, name := range []string{"a private key", "a PuTTY private key"} {
		if _, _, err := parseKey(badKeys(t)[name]); err == nil || !strings.Contains(err.Error(), "give it to nobody") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, k := range goodKeys(f) {
		f.Add(k)
	}
	for _, k := range badKeys(f) {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, text string) {
		public, fingerprint, err := parseKey(text)
		if err != nil {
			return
		}
		again, same, err := parseKey(public)
		if err != nil || again != public || same != fingerprint {
			t.Fatalf("%q is not its own normal form: %q, %v", public, again, err)
		}
		if strings.Count(public, " ") != 1 || strings.ContainsAny(public, "\"\n\t") || !strings.HasPrefix(fingerprint, "SHA256:") {
			t.Fatalf("%q, %q", public, fingerprint)
		}
	})
}

func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		c := newCode()
		if seen[c] || len(c) != 19 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567-") != "" {
			t.Fatalf("code %q", c)
		}
		seen[c] = true
	}
	for _, typed := range []string{"abcd-efgh-ijkl-mnop", "ABCDEFGHIJKLMNOP", " ABCD EFGH IJKL MN0P ", "ABCD-EFGH-1JKL-MNOP", "A8CD-EFGH-IJKL-MNOP"} {
		if hashCode(typed) != hashCode("ABCD-EFGH-IJKL-MNOP") {
			t.Errorf("%q is not forgiven", typed)
		}
	}
	if hashCode("ABCD-EFGH-IJKL-MNOQ") == hashCode("ABCD-EFGH-IJKL-MNOP") {
		t.Error("two codes are one")
	}
}
