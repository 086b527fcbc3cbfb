package connect

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	mostHead = 64 << 10         // bytes of a request's head
	headTime = 10 * time.Second // until it is whole
)

// notWeb are ports whose protocol is never HTTP: what speaks it there is a page
// in the browser of this computer that tries what answers.
var notWeb = []string{"ssh", "s7", "modbus", "rdp", "opcua", "vnc", "enip", "iec104", "fins", "slmp"}

// strange is a web page of somewhere else that speaks to a machine's port.
type strange struct{ why string }

func (s strange) Error() string { return s.why }

// first reads what a local program says first and gives it back, to go to the
// machine. An error of type strange: it is a browser's, and what asks is not the
// person but a page of another site, or one whose name leads here to look like
// the machine (DNS rebinding). Every page that is open in a browser of this
// computer reaches 127.0.0.1, and many machines take a line of text for a
// command, wherever in a request it stands.
//
// Only the first request of a connection is looked at: browsers share none
// between sites. Nothing is waited for but the rest of a head that has begun.
func first(c net.Conn, w way) ([]byte, error) {
	b := make([]byte, 4<<10)
	n, err := c.Read(b)
	if b = b[:n]; !asksHTTP(b) {
		return b, err
	}
	until := time.Now().Add(headTime)
	for err == nil && len(b) < mostHead && !bytes.Contains(b, []byte("\r\n\r\n")) && !bytes.Contains(b, []byte("\n\n")) {
		if line, _, whole := bytes.Cut(b, []byte("\n")); whole && !bytes.Contains(line, []byte(" HTTP/1.")) {
			return b, nil // a protocol whose words are like HTTP's
		}
		_ = c.SetReadDeadline(until) // a connection that takes none is dead, and the read says so
		more := make([]byte, 4<<10)
		n, err = c.Read(more)
		b = append(b, more[:n]...)
	}
	_ = c.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	if line, _, _ := bytes.Cut(b, []byte("\n")); !bytes.Contains(line, []byte(" HTTP/1.")) {
		return b, err
	}
	if why := foreign(b, w); why != "" {
		return nil, strange{why}
	}
	return b, err
}

// asksHTTP says whether bytes begin as a request of HTTP/1 does that a page can
// have a browser send.
func asksHTTP(b []byte) bool {
	for _, method := range []string{"GET ", "POST ", "HEAD ", "OPTIONS ", "PUT ", "DELETE ", "PATCH "} {
		if bytes.HasPrefix(b, []byte(method)) {
			return true
		}
	}
	return false
}

// foreign says why a request is not of the person at this computer; empty: it may be.
func foreign(head []byte, w way) string {
	if slices.Contains(notWeb, w.Port) {
		return "a browser, or what looks like one, speaks HTTP to a port that has none"
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return "a request of HTTP that cannot be read"
	}
	if r.Host != "" && !w.called(r.Host) {
		return fmt.Sprintf("a browser asks it for %q; open it by the address above", r.Host)
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" { // Fetch Metadata: what a browser says itself, and no page can
		return "a web page of another site asks; open it yourself, by the address above"
	}
	if from := r.Header.Get("Origin"); from != "" {
		if u, err := url.Parse(from); err != nil || u.Host == "" || !w.called(u.Host) {
			return fmt.Sprintf("a web page of %q asks; open it yourself, by the address above", from)
		}
	}
	return ""
}

// called says whether host, with a port or without, is a name of the way: its
// own, the machine's, or this computer's.
func (w way) called(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback() || a.String() == w.Address
	}
	return host == "localhost" || host == w.Asset || host == strings.ToLower(w.Host)
}
