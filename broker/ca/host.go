package ca

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
)

type hostCert struct {
	signer ssh.Signer
	renew  time.Time
}

// HostSigner is the broker's host key with a certificate for the names, valid
// for a year and made anew after a month; cert.issued first. It is asked for
// each connection: while another caller makes the new one, the old one serves,
// and if that fails the old one serves until it ends.
func (a *Authorities) HostSigner(ctx context.Context, names ...string) (ssh.Signer, error) {
	key := strings.Join(names, ",")
	have, fresh := a.cached(key)
	if fresh {
		return have.signer, nil
	}
	if have.signer != nil && !a.renewing.TryLock() {
		return have.signer, nil
	} else if have.signer == nil {
		a.renewing.Lock()
	}
	defer a.renewing.Unlock()
	if again, ok := a.cached(key); ok {
		return again.signer, nil
	}
	signer, err := a.signHost(ctx, names)
	if err != nil {
		if have.signer != nil && a.now().Before(have.renew.Add(hostLife-hostRenew-24*time.Hour)) {
			return have.signer, nil
		}
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.hosts) > 4096 { // names are the broker's and the assets' of the plant file
		clear(a.hosts)
	}
	a.hosts[key] = hostCert{signer, a.now().Add(hostRenew)}
	return signer, nil
}

func (a *Authorities) cached(key string) (hostCert, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h, ok := a.hosts[key]
	return h, ok && a.now().Before(h.renew)
}

func (a *Authorities) signHost(ctx context.Context, names []string) (ssh.Signer, error) {
	if len(names) == 0 {
		return nil, errors.New("host certificate: no name; an empty list would be good for every host")
	}
	for _, n := range names {
		if !oneWord(n) || strings.ContainsAny(n, ",*?") {
			return nil, fmt.Errorf("host certificate: %q is no host name", n)
		}
	}
	now := a.now()
	cert := &ssh.Certificate{
		Key: a.hostKey.PublicKey(), CertType: ssh.HostCert, KeyId: "host=" + names[0], ValidPrincipals: names,
		ValidAfter: uint64(now.Add(-backdate).Unix()), ValidBefore: uint64(now.Add(hostLife).Unix()),
	}
	if len(cert.KeyId) > maxKeyID {
		cert.KeyId = "host"
	}
	if err := a.issue(ctx, a.host, cert, audit.CertIssued{CA: "host"}, "penstock"); err != nil {
		return nil, fmt.Errorf("host certificate for %s: %w", names[0], err)
	}
	return ssh.NewCertSigner(cert, a.hostKey)
}
