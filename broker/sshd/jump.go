package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/policy"
)

// maxInner bounds the inner handshakes of one connection that are under way.
const maxInner = 8

// innerConn is a channel of the outer connection as the inner SSH sees it. Its
// addresses are the outer's: source-address of a certificate holds inside too.
type innerConn struct {
	ssh.Channel
	outer net.Conn
}

func (i innerConn) LocalAddr() net.Addr  { return i.outer.LocalAddr() }
func (i innerConn) RemoteAddr() net.Addr { return i.outer.RemoteAddr() }

// Deadlines are not kept: a timer closes who does not finish authentication,
// and the outer connection's keepalives who is gone.
func (innerConn) SetDeadline(time.Time) error      { return nil }
func (innerConn) SetReadDeadline(time.Time) error  { return nil }
func (innerConn) SetWriteDeadline(time.Time) error { return nil }

// inner is the SSH that a jump carries, ended here: what runs in it is recorded.
type inner struct {
	d     *Door
	c     *conn // the outer connection
	sc    *ssh.ServerConn
	outer *vendor
	asset policy.AssetName

	bannered atomic.Bool
	lastWhy  atomic.Pointer[string]
}

// jump ends the inner SSH of -J here: host certificate of the asset, the same
// person and key as outside, the user name is the account. Its channels are
// channels of the outer session. An error is a no, and nothing was accepted.
func (d *Door) jump(ctx context.Context, c *conn, sc *ssh.ServerConn, nc ssh.NewChannel, who *vendor, asset policy.AssetName) error {
	release, err := c.innerSlot()
	if err != nil {
		return err
	}
	defer release()
	host, err := d.CA.HostSigner(ctx, d.Plant().Host(asset))
	if err != nil {
		return fmt.Errorf("host certificate of %s: %w", asset, err)
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		return nil // the client took its ask back
	}
	defer ch.Close()
	d.begin()
	go func() {
		defer d.done()
		for req := range reqs {
			reply(req, false)
		}
	}()
	i := &inner{d: d, c: c, sc: sc, outer: who, asset: asset}
	sconn, chans, globals, err := i.handshake(ch, host)
	release()
	if err != nil {
		why, last := err.Error(), i.lastWhy.Load()
		if last != nil {
			why = *last
		}
		if last != nil || c.ctx.Err() == nil { // who was refused is mostly gone by now
			d.told.refused(c.source, string(who.claim.Person), "inner-auth", fmt.Sprintf("jump to %s: %s", asset, why))
		}
		return nil
	}
	defer sconn.Close()
	i.serve(sconn, chans, globals)
	return nil
}

// innerSlot takes room for one inner handshake, of the connection and of the
// door; the release is safe to repeat.
func (c *conn) innerSlot() (release func(), err error) {
	busy := &policy.Refusal{Rule: "too-many-handshakes", Say: "too many logins are under way at once; try again in a few seconds", Why: "inner handshakes over the limit"}
	if c.inners.Add(1) > maxInner {
		c.inners.Add(-1)
		return nil, busy
	}
	select {
	case c.door.inners <- struct{}{}:
	default:
		c.inners.Add(-1)
		return nil, busy
	}
	return sync.OnceFunc(func() { <-c.door.inners; c.inners.Add(-1) }), nil
}

// handshake authenticates within the grace; who neither finishes nor answers
// the closing of the channel loses the whole connection.
func (i *inner) handshake(ch ssh.Channel, host ssh.Signer) (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	over := make(chan struct{})
	defer close(over)
	grace := time.AfterFunc(i.d.Limits.Grace, func() {
		_ = ch.Close()
		select {
		case <-over:
		case <-i.c.ctx.Done():
		case <-time.After(toFinish):
			i.c.Close()
		}
	})
	defer grace.Stop()
	return ssh.NewServerConn(innerConn{ch, i.c}, i.config(host))
}

func (i *inner) config(host ssh.Signer) *ssh.ServerConfig {
	cfg := &ssh.ServerConfig{
		Config:                    algorithms(),
		PublicKeyAuthAlgorithms:   keyAlgorithms(),
		MaxAuthTries:              maxTries,
		ServerVersion:             serverVersion,
		PublicKeyCallback:         i.offered,
		VerifiedPublicKeyCallback: i.proven,
	}
	cfg.AddHostKey(host)
	cfg.AddHostKey(i.d.CA.HostKey())
	if i.d.spoilInner != nil {
		i.d.spoilInner(cfg)
	}
	return cfg
}

// offered is asked about keys that are not proven yet: no side effect but one banner.
func (i *inner) offered(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
	perms, err := i.same(m, k)
	if err == nil {
		return perms, nil
	}
	i.because(m, err)
	if _, plain := k.(*ssh.Certificate); !plain {
		return nil, err // stock clients offer it before the certificate
	}
	if !i.bannered.CompareAndSwap(false, true) {
		return nil, err
	}
	return nil, &ssh.BannerError{Err: err, Message: "Penstock: Behind a jump you log in with the same certificate as before it. Is it named for " +
		i.d.Plant().Host(i.asset) + " too (CertificateFile)? See desk setup.\r\n"}
}

// same holds a certificate to the outer one's person and key. Another
// certificate over that key, fetched since, is good too: it opens no window
// that the outer does not.
func (i *inner) same(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
	cert, ok := k.(*ssh.Certificate)
	if !ok {
		return nil, errors.New("a plain key behind a jump; certificates only")
	}
	if !validAccount(m.User()) {
		return nil, errors.New("the user name behind a jump is no account's")
	}
	claim, perms, err := i.d.CA.CheckVendor(m, i.outer.claim.Person, cert)
	if err != nil {
		return nil, err
	}
	if claim.Person != i.outer.claim.Person || claim.Key != i.outer.claim.Key || claim.Key == "" {
		return nil, errors.New("another person or key than before the jump")
	}
	return perms, nil
}

// proven decides with the user name that was signed.
func (i *inner) proven(m ssh.ConnMetadata, k ssh.PublicKey, offered *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	fresh, err := i.same(m, k)
	if err == nil && offered == nil {
		err = errDenied
	}
	if err == nil {
		// A key that was replaced or taken away since takes its certificates with it.
		if a, wrong := i.d.actor(i.c, k); wrong != nil || a.Person != i.outer.claim.Person {
			err = fmt.Errorf("the certified key is not %s's any more: %w", i.outer.claim.Person, errors.Join(wrong, errDenied))
		}
	}
	if err != nil {
		i.because(m, err)
		return nil, err
	}
	perms := as(&vendor{claim: i.outer.claim, account: policy.AccountName(m.User()), asset: i.asset})
	perms.CriticalOptions, perms.Extensions = fresh.CriticalOptions, fresh.Extensions // x/crypto holds source-address to these
	return perms, nil
}

func (i *inner) because(m ssh.ConnMetadata, err error) {
	why := fmt.Sprintf("user %q: %v", clean(m.User(), 64), err)
	i.lastWhy.Store(&why)
}

// serve runs the inner connection to its end: session channels are work like
// any other, under the outer connection's limits.
func (i *inner) serve(sconn *ssh.ServerConn, chans <-chan ssh.NewChannel, globals <-chan *ssh.Request) {
	who, ok := callerOf(sconn).(*vendor)
	if !ok {
		i.d.told.refused(i.c.source, "", "no-caller", "an inner connection without a caller")
		return
	}
	var all sync.WaitGroup
	all.Go(func() {
		defer i.d.recovered("inner request", i.c)
		for req := range globals {
			reply(req, i.d.asked(i.c, req.Type))
		}
	})
	for nc := range chans {
		all.Go(func() {
			i.d.counted(i.c, nc, func(c *conn) {
				if nc.ChannelType() == "session" {
					i.d.work(c, i.sc, nc, who)
					return
				}
				i.d.refuseChannel(c, nc, who, innerRefusals)
			})
		})
	}
	all.Wait()
}

// innerRefusals are refusals that say something else behind a jump.
var innerRefusals = map[string]string{
	"direct-tcpip": "forwards inside a session on a machine are not carried; forward from your own machine to a declared port: -L 1502:filler-plc:502 PERSON@… (see desk setup)",
}
