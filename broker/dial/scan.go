package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/policy"
)

// kinds are the host keys that can be pinned, each asked for by itself; an RSA
// key by SHA-1 last, for machines that know no other signature.
var kinds = []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}

// Shown is what a machine shows to somebody who proves nothing: its host keys,
// and which algorithms beyond DESIGN 5.1's it cannot be spoken to without.
type Shown struct {
	Keys []ssh.PublicKey
	Old  []string
}

// Scan looks at a machine's host keys, for people who compare them with the
// machine's own screen before they pin them. Nothing is sent that proves who
// asks; old algorithms are spoken for this alone.
func (e *Errands) Scan(ctx context.Context, asset policy.AssetName) (Shown, error) {
	plant := e.Plant()
	a, ok := plant.Asset(asset)
	port, by := a.Port("ssh")
	if !ok || !by {
		return Shown{}, &policy.Refusal{Rule: "unknown-port", Say: fmt.Sprintf("The plant file has no ssh port on %.40s.", asset), Why: "scan of " + string(asset)}
	}
	hop, err := e.hop(ctx, asset)
	if err != nil {
		return Shown{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, errandTime)
	defer cancel()
	way := &errand{ctx: ctx}
	defer way.close()
	l := leg{way: way, whose: e.whose("check"), asset: asset, target: netip.AddrPortFrom(a.Address, port.Number), agent: plant.AgentOf(asset)}
	var out Shown
	for _, kind := range kinds {
		has := func(k ssh.PublicKey) bool { return k.Type() == ssh.KeyAlgoRSA }
		if kind == ssh.KeyAlgoRSA && slices.ContainsFunc(out.Keys, has) {
			continue // it signs by SHA-2
		}
		key, err := e.shows(l, hop, kind, &out)
		if err != nil {
			return out, err
		}
		if key == nil || slices.ContainsFunc(out.Keys, func(k ssh.PublicKey) bool { return string(k.Marshal()) == string(key.Marshal()) }) {
			continue
		}
		if out.Keys = append(out.Keys, key); kind == ssh.KeyAlgoRSA {
			out.Old = append(out.Old, kind)
		}
	}
	return out, nil
}

var errSeen = errors.New("the key was seen")

// shows asks for one kind of key: nil where the machine has none of it. What the
// machine cannot be spoken to without is added, and it is asked again.
func (e *Errands) shows(l leg, hop *policy.Hop, kind string, out *Shown) (key ssh.PublicKey, err error) {
	for range 1 + len(policy.OldAlgorithms) {
		conn, err := e.reach(l, hop)
		if err != nil {
			return nil, err
		}
		if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
			conn.Close()
			return nil, fmt.Errorf("look at the machine's key: %w", err)
		}
		_, _, _, err = ssh.NewClientConn(conn, conn.RemoteAddr().String(), &ssh.ClientConfig{
			Config: algorithms(out.Old), User: "penstock", HostKeyAlgorithms: []string{kind}, ClientVersion: "SSH-2.0-Penstock",
			HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error { key = k; return errSeen },
		})
		conn.Close()
		if key != nil {
			return key, nil
		}
		if err == nil || strings.Contains(err.Error(), "no common algorithm for host key") {
			return nil, nil
		}
		more := lacking(err, out.Old)
		if len(more) == 0 {
			return nil, loginFailed(l, &credential{}, err)
		}
		out.Old = append(out.Old, more...)
	}
	return nil, nil
}

// lacking are the old algorithms that a machine offered where nothing of ours
// fitted, by what x/crypto says of it.
func lacking(err error, known []string) (more []string) {
	text := err.Error()
	_, offered, is := strings.Cut(text, "peer offered: ")
	if !is || !strings.Contains(text, "no common algorithm") {
		return nil
	}
	for _, o := range policy.OldAlgorithms {
		if strings.Contains(offered, `"`+o+`"`) && !slices.Contains(known, o) && o != ssh.KeyAlgoRSA {
			more = append(more, o)
		}
	}
	return more
}

func (e *Errands) reach(l leg, hop *policy.Hop) (net.Conn, error) {
	if hop == nil {
		return e.Dialer.tcp(l.way.Context(), l.way, l.agent, l.target)
	}
	return e.Dialer.through(l.way.Context(), l.whose, l.way, hop, l.agent, l.target)
}

func (e *Errands) whose(name string) whose {
	return whose{keyID: fmt.Sprintf("broker=%s;errand=%s", e.Dialer.Broker, name), errand: name}
}

// otherKind learns the key of a machine that has none of the pinned kind: it is a
// changed key like any other. nil: it shows none, or cannot be asked again.
func (d *Dialer) otherKind(ctx context.Context, l leg) ssh.PublicKey {
	if l.behind {
		return nil // what is behind a host is looked at by a scan
	}
	e := &Errands{Dialer: d}
	for _, kind := range kinds {
		out := Shown{Old: l.old}
		asked := l
		asked.way = &errand{ctx: ctx}
		key, err := e.shows(asked, nil, kind, &out)
		asked.way.(*errand).close()
		if err != nil || key != nil {
			return key
		}
	}
	return nil
}
