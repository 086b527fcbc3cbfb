package inputs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"penstock/policy"
)

// device answers Modbus questions for unit 1 with what answer makes of them.
func device(t *testing.T, answer func(q []byte) []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				q := make([]byte, 12)
				for {
					if _, err := io.ReadFull(c, q); err != nil {
						return
					}
					a := answer(q)
					if a == nil {
						return
					}
					if _, err := c.Write(a); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// says is the answer for a bit, by hand from the specification.
func says(q []byte, on byte) []byte { return []byte{q[0], q[1], 0, 0, 0, 4, q[6], q[7], 1, on} }

func coil(at string) policy.Gate {
	return policy.Gate{Name: "key", Kind: policy.GateCoil, At: at + "/1/5", Stale: 3 * time.Second}
}

func TestModbus(t *testing.T) {
	answers := map[string]struct {
		answer func(q []byte) []byte
		known  bool
		yes    bool
		why    string
	}{
		"on":               {func(q []byte) []byte { return says(q, 1) }, true, true, "on"},
		"off":              {func(q []byte) []byte { return says(q, 0) }, true, false, "off"},
		"an exception":     {func(q []byte) []byte { return []byte{q[0], q[1], 0, 0, 0, 3, 1, 0x81, 2} }, false, false, "exception 2"},
		"another question": {func(q []byte) []byte { return append([]byte{q[0], q[1] + 1}, says(q, 1)[2:]...) }, false, false, "another question"},
		"another unit":     {func(q []byte) []byte { a := says(q, 1); a[6] = 2; return a }, false, false, "unit 2"},
		"another function": {func(q []byte) []byte { a := says(q, 1); a[7] = 2; return a }, false, false, "not of one bit"},
		"no Modbus":        {func(q []byte) []byte { return []byte("HTTP/1.1 200 OK") }, false, false, "too short"},
		"a wrong length":   {func(q []byte) []byte { a := says(q, 1); a[5] = 9; return a }, false, false, "too short"},
		"more bits":        {func(q []byte) []byte { return says(q, 0xff) }, false, false, "more bits"},
		"it hangs up":      {func(q []byte) []byte { return nil }, false, false, "hear it"},
	}
	for name, c := range answers {
		asked := make(chan []byte, 4)
		at := device(t, func(q []byte) []byte { asked <- append([]byte{}, q...); return c.answer(q) })
		b := newBit(coil(at))
		r := one(t.Context(), b, 30*time.Second)
		b.close()
		if r.Known != c.known || r.Yes != c.yes || !strings.Contains(r.Why, c.why) {
			t.Errorf("%s: %+v", name, r)
		}
		if q := <-asked; string(q[2:]) != "\x00\x00\x00\x06\x01\x01\x00\x05\x00\x01" {
			t.Errorf("%s: asked %x", name, q)
		}
	}
	off := coil(device(t, func(q []byte) []byte { return says(q, 0) }))
	off.Kind, off.Is = policy.GateInput, "off"
	if r := one(t.Context(), newBit(off), 30*time.Second); !r.Known || !r.Yes {
		t.Errorf("off that means yes: %+v", r)
	}
}

// One that does not answer is unknown within the patience, and another
// connection is tried after that.
func TestModbusSilent(t *testing.T) {
	var silent atomic.Bool
	silent.Store(true)
	hold := make(chan struct{})
	defer close(hold)
	at := device(t, func(q []byte) []byte {
		if silent.Load() {
			<-hold
		}
		return says(q, 1)
	})
	b := newBit(coil(at))
	defer b.close()
	if r := one(t.Context(), b, 50*time.Millisecond); r.Known {
		t.Fatalf("silent: %+v", r)
	}
	silent.Store(false)
	if r := one(t.Context(), b, 30*time.Second); !r.Known || !r.Yes {
		t.Fatalf("again: %+v", r)
	}
}

func TestHTTP(t *testing.T) {
	pages := map[string]struct {
		body, pointer, is string
		status            int
		known, yes        bool
	}{
		"text":                {" stopped\n", "", "stopped", 200, true, true},
		"other text":          {"running", "", "stopped", 200, true, false},
		"a value":             {`{"line-1":{"state":"stopped"}}`, "/line-1/state", "stopped", 200, true, true},
		"true":                {`{"clear":true}`, "/clear", "true", 200, true, true},
		"a number":            {`{"mode":[1,3]}`, "/mode/1", "3", 200, true, true},
		"a slash in a name":   {`{"a/b":{"m~n":"x"}}`, "/a~1b/m~0n", "x", 200, true, true},
		"no such value":       {`{"line-1":{}}`, "/line-1/state", "stopped", 200, false, false},
		"an object":           {`{"line-1":{}}`, "/line-1", "{}", 200, false, false},
		"null":                {`{"a":null}`, "/a", "null", 200, false, false},
		"no JSON":             {`stopped`, "/state", "stopped", 200, false, false},
		"two values":          {`{"a":"x"} {"a":"y"}`, "/a", "x", 200, false, false},
		"not found":           {"stopped", "", "stopped", 404, false, false},
		"a redirect":          {"stopped", "", "stopped", 302, false, false},
		"too much":            {strings.Repeat(" ", maxPage) + "stopped", "", "stopped", 200, false, false},
		"a list's wild index": {`["x"]`, "/00", "x", 200, false, false},
	}
	for name, c := range pages {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}))
		p := newPage(policy.Gate{At: s.URL + "/state", Pointer: c.pointer, Is: c.is})
		if r := one(t.Context(), p, 30*time.Second); r.Known != c.known || r.Yes != c.yes {
			t.Errorf("%s: %+v", name, r)
		}
		p.close()
		s.Close()
	}
}

func TestHTTPSPinned(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "stopped") }))
	defer s.Close()
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	sum := sha256.Sum256(s.Certificate().Raw)
	for cert, known := range map[string]bool{hex.EncodeToString(sum[:]): true, strings.Repeat("0", 64): false, "": false} {
		p := newPage(policy.Gate{At: s.URL, Is: "stopped", Cert: cert})
		if r := one(t.Context(), p, 30*time.Second); r.Known != known {
			t.Errorf("cert %.8s: %+v", cert, r)
		}
		p.close()
	}
}

// Run follows the plant file: a gate that is gone is read no more.
func TestRunFollowsThePlant(t *testing.T) {
	asked := make(chan struct{}, 100)
	at := device(t, func(q []byte) []byte { asked <- struct{}{}; return says(q, 1) })
	g := coil(at)
	var plant atomic.Pointer[policy.Plant]
	plant.Store(&policy.Plant{Gates: []policy.Gate{g, {Name: "clear", Kind: policy.GateManual}}})
	taken := make(chan string, 100)
	r := &Reader{Plant: plant.Load, Slog: slog.New(slog.DiscardHandler), Take: func(_ context.Context, g policy.Gate, r Reading) error {
		taken <- fmt.Sprintf("%s %t", g.Name, r.Yes)
		return nil
	}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	if one := <-taken; one != "key true" {
		t.Fatal(one)
	}
	other := g
	other.Name = "other"
	plant.Store(&policy.Plant{Gates: []policy.Gate{other}})
	for one := range taken {
		if one == "other true" {
			break
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func FuzzAnswers(f *testing.F) {
	q := []byte{0, 1, 0, 0, 0, 6, 1, 1, 0, 5, 0, 1}
	f.Add(says(q, 1), `{"a":{"b":["x"]}}`, "/a/b/0")
	f.Add(says(q, 0), "stopped", "")
	f.Add([]byte{0, 1, 0, 0, 0, 3, 1, 0x81, 2}, `{"a":1e999}`, "/a")
	f.Add([]byte{0, 1, 0, 0, 0, 4, 1, 1}, `[[[]]]`, "/0/0/~1")
	f.Fuzz(func(t *testing.T, modbus []byte, body, pointer string) {
		b := &bit{unit: 1, function: readCoils, transaction: 1}
		if on, err := b.answered(modbus); err == nil && on && string(modbus) != string(says(q, 1)) {
			t.Fatalf("%x is taken for on", modbus)
		}
		if pointer != "" && !strings.HasPrefix(pointer, "/") {
			return
		}
		if s, err := value([]byte(body), pointer); err == nil && len(s) > len(body) {
			t.Fatalf("%q of %q at %q", s, body, pointer)
		}
	})
}
