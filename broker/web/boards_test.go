package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/policy"
)

// viewer is one open board.
type viewer struct {
	news chan string // the board's parts, as they come
}

// watchBoard opens a board's stream on a connection of its own.
func (h *house) watchBoard(ctx context.Context, client *http.Client, cookie *http.Cookie) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.server.URL+"/live?board", nil)
	if err != nil {
		return nil, err
	}
	req.AddCookie(cookie)
	return client.Do(req)
}

// read sends on what the stream says of the board, until it ends.
func (v *viewer) read(lines *bufio.Scanner) {
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			v.news <- text
		}
	}
}

// TestAThousandBoards: 1 000 boards open over TLS, each a connection of its own.
// A request is on the last of them within two seconds, drawn once; the desk is
// not slower for it; the 1 001st is told, and a page of it still loads.
func TestAThousandBoards(t *testing.T) {
	const viewers = maxStreams
	h := newHouse(t, 9)
	cast := []string{"ann", "ben", "olaf", "lena"}
	for i := range 9 {
		cast = append(cast, shiftName(i))
	}
	alone := h.timeCommits()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	transport := h.server.Client().Transport.(*http.Transport).Clone()
	transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // HTTP/1.1: a connection each
	transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	transport.ReadBufferSize, transport.WriteBufferSize = 1<<10, 1<<10
	client := &http.Client{Transport: transport}
	var cookies []*http.Cookie
	for i := range viewers / maxStreamsSession {
		cookies = append(cookies, h.cookie(cast[i%len(cast)]))
	}
	boards := make([]*viewer, viewers)
	var opening, reading sync.WaitGroup
	places := make(chan struct{}, 32)
	for i := range boards {
		boards[i] = &viewer{news: make(chan string, 64)}
		opening.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			resp, err := h.watchBoard(ctx, client, cookies[i%len(cookies)])
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("viewer %d: %v %v", i, resp, err)
				return
			}
			lines := bufio.NewScanner(resp.Body)
			lines.Buffer(nil, 4<<20)
			lines.Scan() // retry: the watcher is there
			reading.Go(func() { defer resp.Body.Close(); boards[i].read(lines) })
		})
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (int64(after.HeapAlloc) + int64(after.StackInuse) - int64(before.HeapAlloc) - int64(before.StackInuse)) / viewers / 1024
	if each > 128 {
		t.Errorf("a viewer takes %d KiB, both ends", each)
	}

	begin := time.Now()
	q := h.askToLook()
	committed := time.Since(begin)
	var last time.Duration
	for i, v := range boards {
		for !strings.Contains(<-v.news, string(q.ID)) {
			if time.Since(begin) > time.Minute {
				t.Fatalf("viewer %d heard nothing", i)
			}
		}
		last = max(last, time.Since(begin))
	}
	if last > 20*time.Second { // it is a tenth of a second, on a machine that is not busy; drawn once for each it would be minutes
		t.Errorf("the last of %d viewers saw %s after %v", viewers, q.ID, last)
	}
	crowded := h.timeCommits()
	if crowded > 4*alone+time.Second {
		t.Errorf("a request takes %v with %d viewers, %v alone", crowded, viewers, alone)
	}
	t.Logf("%d viewers: %d KiB each with their browsers' end; %s committed after %v, on the last board after %v; median commit %v, alone %v", viewers, each, q.ID, committed, last, crowded, alone)

	late := h.cookie(cast[len(cast)-1])
	resp, err := h.watchBoard(ctx, client, late)
	if err != nil || resp.StatusCode != http.StatusForbidden {
		t.Fatalf("one too many: %v %v", resp, err)
	}
	resp.Body.Close()
	if page := h.get(late, "/"); page.status != http.StatusOK || !strings.Contains(page.text, string(q.ID)) {
		t.Errorf("whoever is one too many cannot read the board: %d", page.status)
	}
	cancel()
	for _, v := range boards { // let the readers end
		go func() {
			for range v.news {
			}
		}()
	}
	reading.Wait()
	for _, v := range boards {
		close(v.news)
	}
}

// timeCommits is the median time of a vendor's question and its taking back.
func (h *house) timeCommits() time.Duration {
	h.t.Helper()
	var all []time.Duration
	a, _ := h.actor("ann")
	for range 5 {
		begin := time.Now()
		q := h.askToLook()
		if err := h.desk.Withdraw(h.ctx, a, q.ID, "measured"); err != nil {
			h.t.Fatal(err)
		}
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

type got struct {
	status int
	text   string
	header http.Header
}

func (h *house) get(cookie *http.Cookie, path string) got {
	h.t.Helper()
	return h.getAs(cookie, strings.TrimPrefix(h.origin, "https://"), path)
}

// getAs is get at another name of the same pages.
func (h *house) getAs(cookie *http.Cookie, host, path string) got {
	h.t.Helper()
	req := must(http.NewRequestWithContext(h.ctx, http.MethodGet, h.server.URL+path, nil))
	req.Host = host
	if cookie != nil {
		req.AddCookie(cookie)
	}
	c := *h.server.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp := must(c.Do(req))
	defer resp.Body.Close()
	var b bytes.Buffer
	must(b.ReadFrom(resp.Body))
	return got{resp.StatusCode, b.String(), resp.Header}
}

// TestBoardsAreDrawnOnce for all who see the same, and apart for those who do not.
func TestBoardsAreDrawnOnce(t *testing.T) {
	h := newHouse(t, 2)
	h.askToLook()
	see := func(name string) *visit {
		a, _ := h.actor(name)
		return &visit{r: must(http.NewRequest(http.MethodGet, "/live?board", nil)), s: &webSession{}, actor: a, plant: h.pages.Plant(), now: time.Now(), name: name}
	}
	draw := func(v *visit) []byte {
		b, err := h.pages.boardNews(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	text := func(b []byte) (s string) {
		if err := json.Unmarshal(bytes.TrimPrefix(bytes.TrimSpace(b), []byte("event: parts\ndata: ")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	one, two := draw(see(shiftName(0))), draw(see(shiftName(1)))
	if &one[0] != &two[0] {
		t.Error("two people of one shift have a drawing each")
	}
	if s := text(one); !strings.Contains(s, "asks you") || !strings.Contains(s, `id="state"`) || strings.Contains(s, "<html") || strings.Contains(s, "mia0") {
		t.Errorf("the parts are %s", s)
	}
	olaf, ann, ben := draw(see("olaf")), draw(see("ann")), draw(see("ben"))
	if strings.Contains(text(olaf), "asks you") {
		t.Error("another role sees the shift's board")
	}
	if bytes.Equal(ann, olaf) || strings.Contains(text(ann), "Island") || &ann[0] == &ben[0] {
		t.Error("a vendor's board is the plant's, or ann's is ben's although she is on it")
	}
	h.askedBy("ben")
	if s := text(draw(see(shiftName(1)))); !strings.Contains(s, "R-2") {
		t.Error("the board of before R-2 is shown")
	}
	if _, err := h.desk.Island(h.ctx, see(shiftName(0)).actor, "", "ammonia"); err != nil {
		t.Fatal(err)
	}
	if s := text(draw(see(shiftName(1)))); !strings.Contains(s, "Nobody is in, and nobody comes in") {
		t.Error("the board of before the island is shown")
	}
}

func (h *house) askedBy(name string) {
	h.t.Helper()
	a, _ := h.actor(name)
	now := time.Now()
	if _, err := h.desk.Submit(h.ctx, a, approvals.Ask{Firm: "krall", People: []policy.PersonID{policy.PersonID(name)}, Targets: []policy.Target{{Asset: "pasteur-plc", Port: "ssh", Account: "viewer"}},
		Rights: policy.Look, Reason: "trend", Minutes: 30, From: now, To: now.Add(time.Hour)}); err != nil {
		h.t.Fatal(err)
	}
}

// TestAStreamMissesNothing: what moved between the page and its stream is told
// at once, and only to whom it concerns.
func TestAStreamMissesNothing(t *testing.T) {
	h := newHouse(t, 1)
	since := h.pages.log.Size()
	missed := func(query, id, subject string) bool {
		r := must(http.NewRequest(http.MethodGet, "/live?"+query, nil))
		r.Header.Set("Last-Event-ID", id)
		w := &watcher{}
		if subject != "" {
			w.may = func(s string) bool { return s == subject }
		}
		return h.pages.missed(&visit{r: r}, w)
	}
	at := func(n uint64) string { return "since=" + string(must(json.Marshal(n))) }
	if missed(at(uint64(since)), "", "") {
		t.Error("nothing moved, and it is told")
	}
	h.askToLook()
	for _, row := range []struct {
		query, id, subject string
		want               bool
	}{
		{at(uint64(since)), "", "", true}, {at(uint64(since)), "", "R-1", true}, {at(uint64(since)), "", "R-9", false}, {at(uint64(h.pages.log.Size())), "", "", false},
		{at(uint64(since)), string(must(json.Marshal(h.pages.log.Size()))), "", false}, {"since=-1", "", "", true}, {"since=99999999", "", "", true}, {"", "", "", false}, {"", "x", "", true},
	} {
		if got := missed(row.query, row.id, row.subject); got != row.want {
			t.Errorf("%+v: %v", row, got)
		}
	}
}

// TestAStreamEndsWithItsPerson: a board's stream looks the person up at each
// word, so that nobody reads on who was taken away meanwhile.
func TestAStreamEndsWithItsPerson(t *testing.T) {
	h := newHouse(t, 2)
	ctx, cancel := context.WithTimeout(h.ctx, 30*time.Second)
	defer cancel()
	resp, err := h.watchBoard(ctx, h.server.Client(), h.cookie(shiftName(0)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lena, _ := h.actor("lena")
	if err := h.roster.Disable(ctx, lena, policy.PersonID(shiftName(0)), "left"); err != nil {
		t.Fatal(err)
	}
	text := string(must(readAll(resp)))
	if !strings.Contains(text, "event: over") || strings.Contains(text, "event: parts") {
		t.Errorf("after the person was taken away the stream said %q", text)
	}
}

func readAll(resp *http.Response) ([]byte, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(resp.Body)
	return b.Bytes(), err
}
