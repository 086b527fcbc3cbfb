// Package dial reaches targets: the one address that the decision names, the
// pinned host key first, the credential after.
//
// A connection is registered with its channel before it is used, so that no
// dial outlives a cut. It trusts the decision for address, keys and principal,
// and nothing that the target says.
package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/crypto/ssh"

	"penstock/broker"
	"penstock/broker/ca"
	"penstock/policy"
)

var errUnbuilt = errors.New("not built yet")

// Dialer dials for channels.
type Dialer struct {
	CA       *ca.Authorities
	Broker   string           // short name of this broker, for key ids
	Loopback bool             // loopback_targets of penstock.yaml: demo and tests
	Own      []netip.AddrPort // the broker's own listeners: never a target
}

// TCP dials the Decision's Target, checked below DNS; owned by the channel before return.
func (d *Dialer) TCP(ctx context.Context, ch *broker.Channel) (net.Conn, error) {
	return nil, errUnbuilt
}

// SSH dials, checks the pinned host key, and only then logs in with a fresh out certificate.
func (d *Dialer) SSH(ctx context.Context, ch *broker.Channel, a policy.AccountName) (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	return nil, nil, nil, errUnbuilt
}
