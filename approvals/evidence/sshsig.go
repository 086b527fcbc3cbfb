package evidence

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

const sshsigMagic = "SSHSIG"

// sshsig is the blob of PROTOCOL.sshsig after its magic preamble.
type sshsig struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

// signedSSH is what the signature in it is over, after the same preamble.
type signedSSH struct {
	Namespace string
	Reserved  string
	Hash      string
	Sum       []byte
}

// sshAlgorithms are those that a signature may have: no SHA-1, no DSA.
var sshAlgorithms = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
	ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}

// SSHProof makes a proof of the file that ssh-keygen -Y sign writes.
func SSHProof(armored []byte) (Proof, error) {
	block, _ := pem.Decode(armored)
	if block == nil || block.Type != "SSH SIGNATURE" {
		return Proof{}, errors.New("this is no SSH signature; ssh-keygen -Y sign makes one")
	}
	_, key, err := readSSHSIG(block.Bytes)
	if err != nil {
		return Proof{}, err
	}
	return Proof{Kind: ProofSSHSIG, Key: ssh.FingerprintSHA256(key), Data: base64.StdEncoding.EncodeToString(block.Bytes)}, nil
}

func readSSHSIG(blob []byte) (sshsig, ssh.PublicKey, error) {
	var s sshsig
	rest, ok := bytes.CutPrefix(blob, []byte(sshsigMagic))
	if !ok || ssh.Unmarshal(rest, &s) != nil {
		return s, nil, errors.New("its SSH signature cannot be read")
	}
	if s.Version != 1 {
		return s, nil, fmt.Errorf("its SSH signature is of version %d, and 1 is known", s.Version)
	}
	key, err := ssh.ParsePublicKey(s.PublicKey)
	if err != nil {
		return s, nil, fmt.Errorf("the key in its SSH signature cannot be read: %w", err)
	}
	if _, is := key.(*ssh.Certificate); is {
		return s, nil, errors.New("it is signed with a certificate; a plain key is wanted")
	}
	return s, key, nil
}

// checkSSHSIG takes the steps of PROTOCOL.sshsig for a key in authorized_keys
// form. Of a key in hardware (sk-) it asks that the person was there and was
// known to it, as of a passkey; ssh-keygen -Y verify asks for neither.
func checkSSHSIG(data string, public []byte, namespace string, text []byte) error {
	blob, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return errors.New("its SSH signature is not base64")
	}
	s, key, err := readSSHSIG(blob)
	if err != nil {
		return err
	}
	mine, _, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil {
		return fmt.Errorf("the enrolled key cannot be read: %w", err)
	}
	if !bytes.Equal(mine.Marshal(), key.Marshal()) {
		return errors.New("its SSH signature is by another key than it names")
	}
	if s.Namespace != namespace {
		return fmt.Errorf("its SSH signature is for %q, and this needs one for %q", short(s.Namespace), namespace)
	}
	var sum []byte
	switch s.Hash {
	case "sha512":
		h := sha512.Sum512(text)
		sum = h[:]
	case "sha256":
		h := sha256.Sum256(text)
		sum = h[:]
	default:
		return fmt.Errorf("its SSH signature is over the hash %q", short(s.Hash))
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(s.Signature, &sig); err != nil || !slices.Contains(sshAlgorithms, sig.Format) {
		return fmt.Errorf("its SSH signature is of a form that is not taken: %q", short(sig.Format))
	}
	if err := checkHardware(key, sig); err != nil {
		return err
	}
	signed := append([]byte(sshsigMagic), ssh.Marshal(signedSSH{s.Namespace, s.Reserved, s.Hash, sum})...)
	if err := key.Verify(signed, &sig); err != nil {
		return errors.New("its SSH signature does not fit this text")
	}
	return nil
}

// checkHardware reads the flags of PROTOCOL.u2f: one byte, then the counter.
func checkHardware(key ssh.PublicKey, sig ssh.Signature) error {
	if key.Type() != ssh.KeyAlgoSKED25519 && key.Type() != ssh.KeyAlgoSKECDSA256 {
		if len(sig.Rest) > 0 {
			return errors.New("its SSH signature has bytes too many")
		}
		return nil
	}
	switch {
	case len(sig.Rest) != 5:
		return errors.New("its SSH signature does not say whether somebody was there")
	case sig.Rest[0]&flagPresent == 0:
		return errors.New("nobody touched the security key")
	case sig.Rest[0]&flagVerified == 0:
		return errors.New("the security key did not ask for its PIN; make a key that does: ssh-keygen -t ed25519-sk -O verify-required")
	}
	return nil
}
