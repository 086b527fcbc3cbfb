package login

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"penstock/approvals/people"
)

// What is begun by one caller is pushed out by nobody else: sign-ins by a passkey
// are not kept at all, a passkey that is being made is its person's, and at the
// sign-in service a flood from fifty addresses pushes out its own network's.
func TestAFloodIsTheFloodersOwn(t *testing.T) {
	h := newWorld(t)
	h.origin = func() string { return "https://broker.test" }
	b, err := h.BeginPasskey(t.Context(), people.Actor{Person: "mia", Firm: "fjord", Plant: true})
	if err != nil {
		t.Fatal(err)
	}
	var making struct{ Challenge string }
	if err := json.Unmarshal(b, &making); err != nil {
		t.Fatal(err)
	}
	until := h.now().Add(ceremonyLife)
	begin := func(state string, from netip.Addr) {
		until = until.Add(1)
		h.going.keep(state, ceremony{at: place(from), near: network(from), until: until}, h.now())
	}
	begin("mine", netip.MustParseAddr("192.0.2.7"))
	begin("neighbour", netip.MustParseAddr("2001:db8:1::7"))
	for i := range 3 * maxCeremonies {
		if _, err := h.BeginSignIn(); err != nil {
			t.Fatal(err)
		}
		begin(fmt.Sprint("one ", i), netip.MustParseAddr("203.0.113.9"))
		if n := len(h.going.all); i < maxCeremonies && n > ceremoniesOne+2 {
			t.Fatalf("one caller has %d", n)
		}
	}
	for i := range 3 * maxCeremonies {
		begin(fmt.Sprint("v4 ", i), netip.AddrFrom4([4]byte{198, 51, 100, byte(i % 50)}))
		begin(fmt.Sprint("v6 ", i), netip.MustParseAddr(fmt.Sprintf("2001:db8:2:%x::1", i)))
	}
	if n := len(h.going.all); n > maxCeremonies {
		t.Errorf("%d are kept", n)
	}
	for _, state := range []string{"mine", "neighbour"} {
		if _, ok := h.going.spend(state, "", h.now()); !ok {
			t.Errorf("%s was pushed out", state)
		}
	}
	if _, ok := h.making.spend(making.Challenge, "mia", h.now()); !ok {
		t.Error("a passkey that is being made was pushed out")
	}
}

// A challenge of a sign-in is this process's, in time, and good once.
func TestASignInsChallengeIsGoodOnce(t *testing.T) {
	h := newWorld(t)
	now := h.now()
	c := h.begun.next(now.Add(ceremonyLife))
	if !h.begun.given(c, now) || h.begun.given(c, now.Add(ceremonyLife)) {
		t.Error("not good for as long as it should be")
	}
	if newChallenges().given(c, now) {
		t.Error("another process's is taken")
	}
	for i := range c {
		other := slices.Clone(c)
		other[i] ^= 1
		if h.begun.given(other, now) || h.begun.given(c[:i], now) {
			t.Fatalf("byte %d is not looked at", i)
		}
	}
	if why := h.begun.spend(c, "mia", now); why != "" {
		t.Error(why)
	}
	if h.begun.spend(c, "mia", now) == "" || h.begun.spend(c, "olaf", now) == "" {
		t.Error("it is taken twice")
	}
	for range signInsOne - 1 {
		if why := h.begun.spend(h.begun.next(now.Add(ceremonyLife)), "mia", now); why != "" {
			t.Fatal(why)
		}
	}
	next := h.begun.next(now.Add(ceremonyLife))
	if h.begun.spend(next, "mia", now) == "" {
		t.Error("one person signs in without end")
	}
	if why := h.begun.spend(next, "olaf", now); why != "" {
		t.Errorf("and that keeps others out: %s", why)
	}
	later := now.Add(ceremonyLife)
	if why := h.begun.spend(h.begun.next(later.Add(ceremonyLife)), "mia", later); why != "" || len(h.begun.used) != 1 {
		t.Errorf("%s; %d are kept", why, len(h.begun.used))
	}
}
