package evidencetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// Origin is where the story's plant has its pages.
const Origin = "https://penstock.kiel.example:8443"

// SignedPlant is the story's plant, where only a key makes a yes.
func SignedPlant() *policy.Plant {
	text := strings.ReplaceAll(PlantText(), ", proof: code", "")
	text = strings.Replace(text, "timezone: Europe/Berlin}", `timezone: Europe/Berlin, origin: "`+Origin+`"}`, 1)
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		panic(err)
	}
	return p
}

func private(who string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("key of " + who))
	return ed25519.NewKeyFromSeed(seed[:])
}

// SSHSign signs a text as ssh-keygen -Y sign does, by somebody's key.
func SSHSign(who, namespace string, text []byte) evidence.Proof {
	return SSHSignWith(private(who), namespace, text)
}

// SSHSignWith is SSHSign by a key of the caller's.
func SSHSignWith(key ed25519.PrivateKey, namespace string, text []byte) evidence.Proof {
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		panic(err)
	}
	sum := sha512.Sum512(text)
	over := append([]byte("SSHSIG"), ssh.Marshal(struct {
		Namespace, Reserved, Hash string
		Sum                       []byte
	}{namespace, "", "sha512", sum[:]})...)
	sig, err := signer.Sign(nil, over)
	if err != nil {
		panic(err)
	}
	blob := append([]byte("SSHSIG"), ssh.Marshal(struct {
		Version                   uint32
		Key                       []byte
		Namespace, Reserved, Hash string
		Signature                 []byte
	}{1, signer.PublicKey().Marshal(), namespace, "", "sha512", ssh.Marshal(sig)})...)
	p, err := evidence.SSHProof(pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: blob}))
	if err != nil {
		panic(err)
	}
	return p
}

// Passkey is an authenticator with one credential, and what it says of itself.
type Passkey struct {
	key    *ecdsa.PrivateKey
	Origin string
	Site   string // of which it says that the credential is
	Flags  byte
	Type   string // of the ceremony
}

// NewPasskey makes the same one for the same name.
func NewPasskey(name string) *Passkey {
	seed := sha256.Sum256([]byte("passkey of " + name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		panic(err)
	}
	return &Passkey{key: key, Origin: Origin, Site: "penstock.kiel.example", Flags: 0x05, Type: "webauthn.get"}
}

// Public is the COSE key (RFC 9053, ES256) in base64url, as leaves hold it.
func (p *Passkey) Public() string {
	point, err := p.key.PublicKey.Bytes() // 04, x, y
	if err != nil {
		panic(err)
	}
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	return base64.RawURLEncoding.EncodeToString(cose)
}

// PKCS8 is its private key, for a browser's virtual authenticator.
func (p *Passkey) PKCS8() []byte {
	b, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		panic(err)
	}
	return b
}

// ID is its fingerprint.
func (p *Passkey) ID() string {
	print, _, err := evidence.PublicKey(evidence.KeyPasskey, p.Public())
	if err != nil {
		panic(err)
	}
	return print
}

// Sign makes the assertion over a text.
func (p *Passkey) Sign(namespace string, text []byte) evidence.Proof {
	return p.Assert(base64.RawURLEncoding.EncodeToString(evidence.Challenge(namespace, text)))
}

// Assert makes the assertion over a challenge (base64url).
func (p *Passkey) Assert(challenge string) evidence.Proof {
	client := []byte(`{"type":"` + p.Type + `","challenge":"` + challenge + `","origin":"` + p.Origin + `","crossOrigin":false}`)
	site := sha256.Sum256([]byte(p.Site))
	auth := append(site[:], p.Flags)
	auth = binary.BigEndian.AppendUint32(auth, 7)
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, auth...), sum[:]...))
	sig, err := p.key.Sign(nil, digest[:], crypto.SHA256) // deterministic (RFC 6979)
	if err != nil {
		panic(err)
	}
	return evidence.Proof{Kind: evidence.ProofWebAuthn, Key: p.ID(), Data: Assertion(auth, client, sig)}
}

// Assertion puts the parts of a passkey's assertion into a proof's data, as
// broker/login does with what a browser sends.
func Assertion(authenticatorData, clientData, signature []byte) string {
	e := base64.RawURLEncoding
	return e.EncodeToString(authenticatorData) + "." + e.EncodeToString(clientData) + "." + e.EncodeToString(signature)
}

// Signer signs a text for a namespace: SSHSIG of somebody, or a passkey.
type Signer func(namespace string, text []byte) evidence.Proof

// By signs with somebody's SSH key.
func By(who string) Signer {
	return func(namespace string, text []byte) evidence.Proof { return SSHSign(who, namespace, text) }
}

// Signed is what to do with an answer so that it is signed. It comes last.
func Signed(sign Signer) func(*evidence.Answer) {
	return func(a *evidence.Answer) {
		text, err := a.Unsigned()
		if err != nil {
			panic(err)
		}
		a.Proof = sign(evidence.AnswerNamespace, text)
	}
}

// Enrol adds a passkey of somebody, for which nobody has vouched yet.
func (s *Story) Enrol(second int, who string, p *Passkey) *Step {
	return s.Add(second, who, audit.KeyEnrolled{Person: who, Kind: evidence.KeyPasskey, Key: p.ID(), Public: p.Public(), Credential: "AAAA", By: who},
		who, "person/"+who, "key/"+p.ID())
}

// Vouch adds one person's signed word for another's passkey; do may change it before it is signed.
func (s *Story) Vouch(second int, by, who string, p *Passkey, sign Signer, do func(*evidence.Vouch)) *Step {
	v := evidence.Vouch{V: 1, Person: who, Kind: evidence.KeyPasskey, Key: p.ID(), Public: p.Public(), By: by, At: At(second), Nonce: Nonce(second)}
	if do != nil {
		do(&v)
	}
	text, err := v.Unsigned()
	if err != nil {
		panic(err)
	}
	v.Proof = sign(evidence.VouchNamespace, text)
	return s.Add(second, by, audit.KeyVouched{Person: who, Key: p.ID(), By: by, Document: s.PutJSON(v)}, who, "person/"+who)
}

// NewSigned tells the night with keys in place of codes: olaf and mia sign with
// their SSH keys of the bootstrap file, ines with a passkey that otto vouched for.
func NewSigned() *Story {
	s := &Story{rights: []string{"look", "load"}, Docs: map[audit.Hash][]byte{}, Answers: map[string]evidence.Answer{}}
	s.file = SignedPlant()
	s.plant = s.Put(s.file.Document())
	s.begin()
	ines := NewPasskey("ines")
	s.Enrol(50, "ines", ines)
	s.Vouch(60, "otto", "ines", ines, By("otto"), nil)
	s.ask()
	s.agreeWith(Signed(By("olaf")), Signed(ines.Sign))
	s.work()
	s.endWith(Signed(By("mia")))
	return s
}
