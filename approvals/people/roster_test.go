package people

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

func TestFirstPeople(t *testing.T) {
	h := newHouse(t, documents(t))
	mia, err := h.r.Person(ctx, "mia")
	h.ok(err)
	if mia.Name != "Mia Voss" || mia.Firm != "fjord" || !mia.Has("shift") || mia.Rev != 2 { // her row, and her code generator
		t.Errorf("mia is %+v", mia)
	}
	if k, ok := mia.Key(SSH); !ok || k.Public != key("mia") || k.ID != fingerprint(key("mia")) {
		t.Errorf("her key is %+v", k)
	}
	krall, err := h.r.Firm(ctx, "krall")
	h.ok(err)
	if krall.Sponsor != "olaf" || krall.Plant || !krall.Until.Equal(time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("krall is %+v", krall)
	}
	facts, err := h.r.Facts(ctx, "ann")
	h.ok(err)
	if facts.Plant || facts.Firm != "krall" || facts.Disabled || len(facts.Networks) != 1 || facts.Networks[0] != netip.MustParsePrefix("198.51.100.0/24") {
		t.Errorf("ann's facts are %+v", facts)
	}
	if facts, err := h.r.Facts(ctx, "mia"); err != nil || !facts.Plant {
		t.Errorf("mia's facts are %+v, %v", facts, err)
	}
	all, err := h.r.People(ctx)
	h.ok(err)
	firms, err := h.r.Firms(ctx)
	h.ok(err)
	if len(all) != 5 || all[0].ID != "ann" || len(firms) != 2 || firms[0].ID != "fjord" {
		t.Errorf("people %v, firms %v", all, firms)
	}
	_, missing := h.r.Person(ctx, "nobody")
	_, noFirm := h.r.Firm(ctx, "nobody")
	_, noFacts := h.r.Facts(ctx, "nobody")
	for _, err := range []error{missing, noFirm, noFacts} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("somebody who is not there: %v", err)
		}
	}
	if h.byKey(key("mia")) != "mia" || h.byKey(key("mia")+" mia@desk") != "mia" || h.byKey(key("other")) != "" || h.byKey("mia") != "" {
		t.Error("ByKey")
	}
	h.rebuilt()
}

func TestLogIsCreatedOnce(t *testing.T) {
	h := newHouse(t, documents(t))
	hash, err := h.docs.Put(ctx, []byte(first()))
	h.ok(err)
	for rev := range uint64(3) {
		_, err = h.j.Commit(ctx, "bootstrap/1", audit.Event{Subject: "bootstrap", Rev: rev, Body: audit.LogCreated{Bootstrap: hash}})
		if err == nil {
			t.Errorf("created again at revision %d", rev)
		}
	}
	fresh := state.NewJournal("a", h.log, state.NewMemory(), Fold(documents(t)))
	if _, err := fresh.CatchUp(ctx); err == nil || !strings.Contains(err.Error(), "leaf a/0") || !strings.Contains(err.Error(), hash.String()) {
		t.Errorf("without the document: %v", err)
	}
}

// The whole way of a vendor's engineer, and then state.db is deleted.
func TestEveryVerb(t *testing.T) {
	h := newHouse(t, documents(t))
	h.ok(h.r.SetFirm(ctx, h.actor("sven"), Firm{
		ID: "zett", Name: "Zett Automation", Sponsor: "mia", Until: h.now.Add(time.Hour).In(time.FixedZone("x", 3600)),
		Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.9/24"), netip.MustParsePrefix("203.0.113.0/24")},
	}))
	h.ok(h.r.SetFirm(ctx, h.actor("nora"), Firm{ID: "fjord", Name: "Fjord Dairy", Plant: true}))
	h.enters("mia", "mia", "zoe", "zett")
	h.enters("sven", "olaf", "kim", "krall")
	h.enters("sven", "nora", "tom", "fjord", "maintenance")
	h.ok(h.r.Change(ctx, h.actor("sven"), "tom", "Tom Tamm", []policy.Role{"shift", "ot-security"}))
	h.ok(h.r.Enroll(ctx, h.overKey("tom"), Key{Kind: Password, Sealed: audit.HashOf([]byte("p"))}))
	h.ok(h.r.Enroll(ctx, h.overKey("tom"), Key{Kind: TOTP, Sealed: audit.HashOf([]byte("t"))}))
	h.ok(h.r.Enroll(ctx, h.actor("tom"), Key{Kind: TOTP, Sealed: audit.HashOf([]byte("t2"))}))
	h.ok(h.r.RemoveKey(ctx, h.actor("nora"), "tom", "password"))
	h.ok(h.r.Disable(ctx, h.actor("tom"), "sven", "left"))
	tom, err := h.r.Person(ctx, "tom")
	h.ok(err)
	totp, _ := tom.Key(TOTP)
	if _, there := tom.Key(Password); there || totp.Sealed != audit.HashOf([]byte("t2")) || len(tom.Keys) != 2 || tom.Name != "Tom Tamm" {
		t.Errorf("tom is %+v", tom)
	}
	if zett, _ := h.r.Firm(ctx, "zett"); len(zett.Networks) != 1 || zett.Networks[0].String() != "203.0.113.0/24" {
		t.Errorf("zett is %+v", zett)
	}
	h.rebuilt()
	if told, err := h.j.Check(ctx); err != nil || len(told) > 0 {
		t.Errorf("check: %q, %v", told, err)
	}
}

func TestJoinAndConfirm(t *testing.T) {
	h := newHouse(t, documents(t))
	inv := h.invite("olaf", "kim", "krall")
	if ok := len(inv.Code) == 19 && strings.Count(inv.Code, "-") == 3 && inv.Until.Equal(h.now.Add(24*time.Hour)); !ok {
		t.Errorf("the invitation is %+v", inv)
	}
	kim, err := h.r.Join(ctx, strings.ToLower(strings.ReplaceAll(inv.Code, "-", " ")), key("kim")+" kim@laptop")
	h.ok(err)
	if kim.ID != "kim" || kim.Firm != "krall" || len(kim.Keys) != 1 || !kim.Keys[0].Pending || h.byKey(key("kim")) != "" {
		t.Fatalf("pending: %+v", kim)
	}
	for leaf, err := range h.log.Upto(ctx, 0) { // the code is nowhere
		h.ok(err)
		b, err := leaf.Canonical()
		h.ok(err)
		if strings.Contains(string(b), inv.Code) || strings.Contains(string(b), strings.ReplaceAll(inv.Code, "-", "")) {
			t.Errorf("the code stands in leaf %d", leaf.Index)
		}
	}
	h.refused("no-pending-key", func() error { return h.r.Confirm(ctx, h.actor("olaf"), "kim", fingerprint(key("other"))) })
	h.ok(h.r.Confirm(ctx, h.actor("olaf"), "kim", fingerprint(key("kim"))))
	if h.byKey(key("kim")) != "kim" {
		t.Error("confirmed, and does not count")
	}
	h.refused("no-pending-key", func() error { return h.r.Confirm(ctx, h.actor("olaf"), "kim", fingerprint(key("kim"))) })

	// A new laptop: the old key counts until the new one does, and never again.
	_, err = h.r.Join(ctx, h.invite2("olaf", "kim").Code, key("kim2"))
	h.ok(err)
	if h.byKey(key("kim")) != "kim" || h.byKey(key("kim2")) != "" {
		t.Error("a pending key counts, or took the old one away")
	}
	h.ok(h.r.Confirm(ctx, h.actor("olaf"), "kim", fingerprint(key("kim2"))))
	if h.byKey(key("kim")) != "" || h.byKey(key("kim2")) != "kim" {
		t.Error("the new key did not take the old one's place")
	}
	again := h.invite2("olaf", "kim").Code
	for who, k := range map[string]string{"the old key": "kim", "the present key": "kim2", "another's": "mia"} {
		h.refused("key-known", func() error { _, err := h.r.Join(ctx, again, key(k)); return err })
		_ = who
	}
	_, err = h.r.Join(ctx, again, key("kim3")) // the code still works
	h.ok(err)
	_, err = h.r.Join(ctx, h.invite2("olaf", "kim").Code, key("kim3")) // the pending key once more
	h.ok(err)
	_, err = h.r.Join(ctx, h.invite2("olaf", "kim").Code, key("kim4")) // another one in its place
	h.ok(err)
	h.refused("no-pending-key", func() error { return h.r.Confirm(ctx, h.actor("olaf"), "kim", fingerprint(key("kim3"))) })
	h.rebuilt()
}

func (h *house) invite2(by, who policy.PersonID) Invitation {
	h.t.Helper()
	inv, err := h.r.Invite(ctx, h.actor(by), Invitation{Person: who})
	h.ok(err)
	return inv
}

// Every wrong code has the same answer.
func TestWrongCodes(t *testing.T) {
	h := newHouse(t, documents(t))
	spent := h.invite("olaf", "kim", "krall")
	_, err := h.r.Join(ctx, spent.Code, key("kim"))
	h.ok(err)
	late := h.invite("olaf", "lea", "krall")
	h.now = h.now.Add(24 * time.Hour)
	good := h.invite("olaf", "max", "krall")
	ofTom := h.invite("sven", "tim", "krall")
	h.ok(h.r.Disable(ctx, h.actor("nora"), "sven", "left"))
	asShift := h.invite2("nora", "mia")
	h.ok(h.r.Change(ctx, h.actor("nora"), "mia", "Mia Voss", []policy.Role{"maintenance"}))
	gone := h.invite2("olaf", "kim")
	h.ok(h.r.Disable(ctx, h.actor("olaf"), "kim", "left"))

	var said string
	for name, code := range map[string]string{
		"spent": spent.Code, "late": late.Code, "of a disabled inviter": ofTom.Code, "for a disabled person": gone.Code,
		"with roles the person has not any more": asShift.Code,
		"guessed":                                "AAAA-BBBB-CCCC-DDDD", "empty": "", "cut": good.Code[:18], "longer": good.Code + "A",
		"huge": strings.Repeat(good.Code, 100000), "hostile": "\x1b[2J\x00‮" + good.Code,
	} {
		size := h.log.Size()
		_, err := h.r.Join(ctx, code, key("new"))
		var r *policy.Refusal
		if !errors.As(err, &r) || r.Rule != "code-refused" || h.log.Size() != size {
			t.Fatalf("%s: %v", name, err)
		}
		if said == "" {
			said = r.Say
		}
		if r.Say != said {
			t.Errorf("%s: says %q and %q", name, r.Say, said)
		}
	}
	_, err = h.r.Join(ctx, good.Code, key("new"))
	h.ok(err)
}

// A wrong code costs the same reads whatever is wrong with it.
func TestWrongCodesCostTheSame(t *testing.T) {
	h := newHouse(t, documents(t))
	late := h.invite("olaf", "lea", "krall")
	h.now = h.now.Add(25 * time.Hour)
	counted := &counting{Reader: h.store}
	h.r.rows = counted
	var costs []int
	for _, code := range []string{late.Code, "AAAA-BBBB-CCCC-DDDD", ""} {
		counted.n = 0
		h.refused("code-refused", func() error { _, err := h.r.Join(ctx, code, key("new")); return err })
		costs = append(costs, counted.n)
	}
	if costs[0] == 0 || costs[0] != costs[1] || costs[0] != costs[2] {
		t.Errorf("reads: %v", costs)
	}
}

type counting struct {
	state.Reader
	n int
}

func (c *counting) Get(ctx context.Context, key string) (state.Row, error) {
	c.n++
	return c.Reader.Get(ctx, key)
}

func TestTwoJoinsWithOneCode(t *testing.T) {
	h := newHouse(t, documents(t))
	for round := range 10 {
		id := policy.PersonID(fmt.Sprintf("kim%d", round))
		inv := h.invite("olaf", id, "krall")
		const many = 8
		results := make(chan error, many)
		var wg sync.WaitGroup
		for i := range many {
			wg.Go(func() {
				_, err := h.r.Join(ctx, inv.Code, key(fmt.Sprint(id, i)))
				results <- err
			})
		}
		wg.Wait()
		close(results)
		won := 0
		for err := range results {
			var r *policy.Refusal
			if err == nil {
				won++
			} else if !errors.As(err, &r) || r.Rule != "code-refused" {
				t.Error(err)
			}
		}
		p, err := h.r.Person(ctx, id)
		h.ok(err)
		if won != 1 || len(p.Keys) != 1 {
			t.Fatalf("%d won, keys %v", won, p.Keys)
		}
	}
	h.rebuilt()
}

func TestBadKeys(t *testing.T) {
	h := newHouse(t, documents(t))
	inv := h.invite("olaf", "kim", "krall")
	for name, text := range badKeys(t) {
		h.refused("key-refused", func() error { _, err := h.r.Join(ctx, inv.Code, text); return err })
		if h.byKey(text) != "" {
			t.Errorf("%s is somebody's", name)
		}
	}
	for name, text := range goodKeys(t) {
		if public, _, err := parseKey(text); err != nil || !strings.HasPrefix(text, public) {
			t.Errorf("%s: %q, %v", name, public, err)
		}
	}
}
