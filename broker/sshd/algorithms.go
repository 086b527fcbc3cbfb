package sshd

import (
	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/cpu"
)

// serverVersion names us (RFC 4253, 4.2: what clients turn their extensions on
// by). It begins as OpenSSH's does, since most machines behind us are that: its
// client tells such a server alone that nobody reads any more (eow@openssh.com;
// else "ssh … tail -f | head" never ends and fills the recording), and others
// send SFTP's SYMLINK with its arguments in OpenSSH's order.
const serverVersion = "SSH-2.0-OpenSSH_Penstock"

// algorithms is the list of DESIGN 5.1. x/crypto drops names that it does not
// know in silence: a test holds every one of these to it.
func algorithms() ssh.Config {
	c := ssh.Config{
		KeyExchanges: []string{ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519, "curve25519-sha256@libssh.org", ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384},
		Ciphers:      []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherAES128CTR, ssh.CipherAES256CTR},
		MACs:         []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512},
	}
	if !cpu.X86.HasAES && !cpu.ARM64.HasAES {
		c.Ciphers = append([]string{ssh.CipherChaCha20Poly1305}, c.Ciphers...)
	}
	return c
}

// keyAlgorithms are what people may prove themselves with: no ssh-rsa (SHA-1), no DSA.
func keyAlgorithms() []string {
	return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}
}
