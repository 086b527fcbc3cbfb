package outsidetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/build"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// Networks is Shopify's toxiproxy: far, narrow, stalling and breaking networks by
// somebody else's hand.
type Networks struct {
	api   string
	t     *testing.T
	lines atomic.Int64
}

// Toxiproxy runs until the test ends.
func Toxiproxy(t *testing.T) *Networks {
	t.Helper()
	at := freeAddress(t)
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	Program(t, []string{"LOG_LEVEL=warn"}, program("toxiproxy-server", filepath.Join(filepath.SplitList(build.Default.GOPATH)[0], "bin")), "-host", host, "-port", port)
	n := &Networks{api: "http://" + at, t: t}
	Awaits(t, "toxiproxy listens", func() bool {
		resp, err := http.Get(n.api + "/version")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	return n
}

// Network is one way to an address. Each bad moment has one of its own: version
// 2.12 breaks where a toxic is taken from a line that has lost a connection.
type Network struct {
	Address string // host and port, where its clients connect
	of      *Networks
	name    string
}

// To makes a network before an address (host and port).
func (n *Networks) To(address string) Network {
	n.t.Helper()
	w := Network{of: n, name: fmt.Sprintf("line-%d", n.lines.Add(1))}
	var made struct{ Listen string }
	n.call("/proxies", map[string]any{"name": w.name, "listen": "127.0.0.1:0", "upstream": address, "enabled": true}, &made)
	w.Address = made.Listen
	return w
}

// Toxic makes it worse, for the connections that are there and those to come, in both
// directions: kinds and attributes are toxiproxy's (latency, bandwidth, timeout,
// reset_peer, slow_close; milliseconds, KiB a second).
func (w Network) Toxic(kind string, attributes map[string]int) {
	w.of.t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		w.of.call("/proxies/"+w.name+"/toxics", map[string]any{"name": kind + "_" + stream, "type": kind, "stream": stream, "attributes": attributes}, nil)
	}
}

func (n *Networks) call(path string, body, into any) {
	n.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		n.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodPost, n.api+path, bytes.NewReader(text))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatalf("toxiproxy: %v", err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		n.t.Fatalf("toxiproxy: %s: %s %s %v", path, resp.Status, said, err)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(said, into); err != nil {
		n.t.Fatalf("toxiproxy: %s: %v", said, err)
	}
}
