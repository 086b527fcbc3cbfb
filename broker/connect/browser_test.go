package connect

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The requests have what Chromium sends of itself (seen from a page of another
// site), but for what does not matter here.
const (
	typedIn   = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n\r\n"
	ownScript = "POST /set HTTP/1.1\r\nHost: localhost:8080\r\nOrigin: http://localhost:8080\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 3\r\n\r\na=1"
	evilPage  = "POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nstop\r\n"
	evilImage = "GET /reboot HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n\r\n"
	evilOld   = "POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nOrigin: https://evil.example\r\nContent-Length: 0\r\n\r\n" // before Fetch Metadata
	evilFrame = "POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nOrigin: null\r\nContent-Length: 0\r\n\r\n"                 // sandboxed, or a file
	rebound   = "GET /config HTTP/1.1\r\nHost: evil.example:8080\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n\r\n"
	bySocks   = "GET / HTTP/1.1\r\nHost: 10.20.1.11\r\n\r\n"
)

// TestAWebPageReachesNoMachine: every page that is open in a browser of the
// vendor's computer reaches what listens on 127.0.0.1.
func TestAWebPageReachesNoMachine(t *testing.T) {
	modbus := "\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x01"
	for name, row := range map[string]struct {
		port, said string
		passes     bool
	}{
		"a page's form to a web port":          {"http", evilPage, false},
		"its image":                            {"http", evilImage, false},
		"by an old browser":                    {"http", evilOld, false},
		"from nowhere":                         {"tcp", evilFrame, false},
		"a name that leads here":               {"http", rebound, false},
		"a page to the machine's command line": {"console", evilPage, false},
		"anything of HTTP to Modbus":           {"modbus", typedIn, false},
		"a head without an end":                {"http", "GET / HTTP/1.1\r\nHost: 127.0.0.1", false},
		"no host at all, to VNC":               {"vnc", "GET / HTTP/1.0\r\n\r\n", false},
		"typed into the browser":               {"http", typedIn, true},
		"the machine's own pages":              {"http", ownScript, true},
		"by SOCKS and the machine's address":   {"http", bySocks, true},
		"by its name":                          {"http", strings.Replace(bySocks, "10.20.1.11", "Press.kiel:8080", 1), true},
		"a tool without a browser":             {"tcp", "GET /x HTTP/1.0\r\n\r\n", true},
		"Modbus":                               {"modbus", modbus, true},
		"another protocol of words":            {"tcp", "GET flow\r\nGET level\r\n", true},
		"one letter":                           {"tcp", "G", true},
		"nothing":                              {"tcp", "", true},
	} {
		for _, piece := range []int{1 << 20, 7} {
			synctest.Test(t, func(t *testing.T) {
				program, c := net.Pipe()
				go func() {
					for s := row.said; s != ""; {
						n := min(piece, len(s))
						if _, err := io.WriteString(program, s[:n]); err != nil {
							return // refused
						}
						s = s[n:]
					}
					program.Close()
				}()
				var machine bytes.Buffer
				w := way{target: target{Asset: "press", Port: row.port, Host: "press.kiel", Address: "10.20.1.11"}}
				err := toMachine(&machine, c, func() ([]byte, error) { return first(c, w) })
				c.Close()
				_, refused := errors.AsType[strange](err)
				if refused == row.passes || !refused && err != nil {
					t.Errorf("%s, in pieces of %d: %v", name, piece, err)
				}
				if got := machine.String(); row.passes && got != row.said || !row.passes && got != "" {
					t.Errorf("%s, in pieces of %d: the machine has %q", name, piece, got)
				}
			})
		}
	}
}

// TestWhoSaysHalfAWordIsNotHeldForEver: a protocol may have words like HTTP's.
func TestWhoSaysHalfAWordIsNotHeldForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		program, c := net.Pipe()
		defer program.Close()
		defer c.Close()
		go func() { _, _ = io.WriteString(program, "GET flow") }()
		began := time.Now()
		b, err := first(c, way{target: target{Port: "tcp"}})
		if string(b) != "GET flow" || err != nil || time.Since(began) > headTime {
			t.Errorf("%q, %v after %v", b, err, time.Since(began))
		}
		go func() { _, _ = io.WriteString(program, "?") }()
		if _, err := io.ReadFull(c, b[:1]); err != nil || b[0] != '?' { // no deadline is left
			t.Errorf("%q, %v", b[:1], err)
		}
	})
}
