package connect

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Replies of RFC 1928, 6.
const (
	socksOK           = 0
	socksFailed       = 1
	socksNotAllowed   = 2
	socksUnreachable  = 4
	socksRefused      = 5
	socksNotSupported = 7
	socksNoAddress    = 8

	socksTime = 10 * time.Second // to say what is wanted
)

// socksWish is what a program asks of SOCKS.
type socksWish struct {
	Command byte
	Host    string
	Port    uint16
}

var errSocks = errors.New("not SOCKS 5")

// socks serves one program's connection (RFC 1928): CONNECT only, without a
// password, to the window's own ports only: by the asset's name, or by the
// address that the machine has in the plant. Nothing is ever resolved or
// reached on this computer's side.
func (v *visit) socks(ctx context.Context, c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(socksTime)) // a connection that takes none is dead, and the read says so
	wish, code, err := readSocks(c)
	if err != nil {
		if code != 0 {
			answerSocks(c, code)
		}
		c.Close()
		v.say.line("refused", "SOCKS: "+clean(err.Error()), nil)
		return
	}
	w, ok := v.wayTo(wish)
	if !ok {
		answerSocks(c, socksNotAllowed)
		c.Close()
		v.say.line("refused", fmt.Sprintf("SOCKS: %s is no machine and port of your window", clean(net.JoinHostPort(wish.Host, fmt.Sprint(wish.Port)))), nil)
		return
	}
	_ = c.SetDeadline(time.Time{})
	s, err := v.reach(ctx, w, c.RemoteAddr())
	if err != nil {
		answerSocks(c, socksReply(err))
		c.Close()
		v.refused(w, err)
		return
	}
	if answerSocks(c, socksOK) != nil {
		s.Close()
		c.Close()
		return
	}
	v.pump(ctx, c, s, w)
}

// readSocks reads greeting and request, and answers the first. code is what to
// answer to a request that is understood and refused.
func readSocks(c io.ReadWriter) (w socksWish, code byte, err error) {
	if err := greetSocks(c); err != nil {
		return w, 0, err
	}
	var b [256]byte
	if _, err := io.ReadFull(c, b[:4]); err != nil || b[0] != 5 || b[2] != 0 {
		return w, 0, errSocks
	}
	w.Command = b[1]
	switch b[3] {
	case 1, 4:
		n := 4
		if b[3] == 4 {
			n = 16
		}
		if _, err := io.ReadFull(c, b[:n]); err != nil {
			return w, 0, errSocks
		}
		a, _ := netip.AddrFromSlice(b[:n])
		w.Host = a.Unmap().String()
	case 3:
		if _, err := io.ReadFull(c, b[:1]); err != nil || b[0] == 0 {
			return w, socksFailed, errSocks
		}
		n := int(b[0])
		if _, err := io.ReadFull(c, b[:n]); err != nil {
			return w, 0, errSocks
		}
		w.Host = string(b[:n])
	default:
		return w, socksNoAddress, fmt.Errorf("address type %d is not understood", b[3])
	}
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		return w, 0, errSocks
	}
	w.Port = binary.BigEndian.Uint16(b[:2])
	if w.Command != 1 {
		return w, socksNotSupported, fmt.Errorf("only CONNECT is served, not command %d", w.Command)
	}
	return w, 0, nil
}

// greetSocks agrees on no password with a program that can do without.
func greetSocks(c io.ReadWriter) error {
	var b [255]byte
	if _, err := io.ReadFull(c, b[:2]); err != nil || b[0] != 5 || b[1] > 253 {
		return errSocks
	}
	methods := b[2 : 2+int(b[1])]
	if _, err := io.ReadFull(c, methods); err != nil {
		return errSocks
	}
	method := byte(0xff) // none is acceptable
	if bytes.IndexByte(methods, 0) >= 0 {
		method = 0
	}
	if _, err := c.Write([]byte{5, method}); err != nil || method != 0 {
		return errors.New("the program offers no connection without a password, and there is none here")
	}
	return nil
}

// answerSocks says how it went; the bound address means nothing here.
func answerSocks(c io.Writer, code byte) error {
	_, err := c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
	return err
}

// wayTo finds the way that a program names: asset or asset.site, or the
// machine's own address, with the number of the port there or the usual one.
func (v *visit) wayTo(w socksWish) (way, bool) {
	name := strings.ToLower(strings.TrimSuffix(w.Host, "."))
	for _, x := range v.ways {
		if (w.Port == x.TCP || w.Port == x.Number) && (name == x.Asset || name == strings.ToLower(x.Host) || name == x.Address && name != "") {
			return x, true
		}
	}
	return way{}, false
}

// socksReply is the code for a stream that was not opened.
func socksReply(err error) byte {
	var no *ssh.OpenChannelError
	switch {
	case !errors.As(err, &no):
		return socksFailed
	case no.Reason == ssh.ConnectionFailed:
		return socksRefused
	case no.Reason == ssh.Prohibited:
		return socksNotAllowed
	}
	return socksUnreachable
}
