package people

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"penstock/audit"
	"penstock/policy"
)

// After an incident only the keys of the bootstrap file count; everybody else's wait
// until somebody confirms them again, and then the same key lets its person in.
func TestSuspend(t *testing.T) {
	h := newHouse(t, documents(t))
	h.enters("sven", "olaf", "kim", "krall")
	h.enters("sven", "nora", "tom", "fjord", "maintenance")
	_, err := h.r.Join(ctx, h.invite("sven", "kim", "krall").Code, key("kim, newer")) // one more that waits
	h.ok(err)
	var told int
	n, err := h.r.Suspend(ctx, func(done, all int) { told = all - done })
	h.ok(err)
	if n == 0 || told != 0 {
		t.Errorf("%d were suspended, %d left to tell of", n, told)
	}
	for who, counts := range map[string]bool{"kim": false, "kim, newer": false, "tom": false, "olaf": true, "mia": true} {
		if (h.byKey(key(who)) != "") != counts {
			t.Errorf("the key of %s counts: %t", who, !counts)
		}
	}
	h.refused("no-code-generator", func() error { return h.r.Confirm(ctx, h.actor("olaf"), "kim", fingerprint(key("kim"))) })
	sealed, err := h.docs.Put(ctx, []byte("new secret"))
	h.ok(err)
	h.ok(h.r.Enroll(ctx, h.overKey("olaf"), Key{Kind: TOTP, ID: "totp", Sealed: sealed}))
	h.ok(h.r.Confirm(ctx, h.actor("olaf"), "kim", fingerprint(key("kim"))))
	if h.byKey(key("kim")) != "kim" || h.byKey(key("kim, newer")) != "" {
		t.Error("confirmed again, the key that counted before does not")
	}
	tom, err := h.r.Person(ctx, "tom")
	h.ok(err)
	if k := tom.Keys[0]; !k.Pending || k.Vouched != "" || k.Signs() {
		t.Errorf("tom's key is %+v", k)
	}
	again, err := h.r.Suspend(ctx, func(int, int) {})
	h.ok(err)
	if again != 2 { // what came since: olaf's generator, and kim's key
		t.Errorf("%d were suspended again", again)
	}
	h.rebuilt()
}

// What whoever had the machine can write without anybody's signature does not
// outlive a recovery: a linked account, an agent of a zone, and a key whose
// invitation says that nobody invited, which looks as if the plant began with it.
func TestSuspendTakesWhatTheMachineCouldForge(t *testing.T) {
	h := newHouse(t, documents(t))
	h.r.Zones = func(policy.ZoneName) bool { return true }
	h.ok(h.r.LinkAccount(ctx, h.actor("sven"), "nora", "https://login.test", "x"))
	code := audit.HashOf([]byte("code"))
	for i, b := range []audit.Body{
		audit.PersonInvited{Person: "sven", Firm: "fjord", Name: "Sven Ott", Roles: []string{"ot-security"}, Code: code, Until: h.now.Add(codeLife)},
		audit.PersonJoined{Person: "sven", Code: code, Key: fingerprint(key("evil")), Public: key("evil")},
		audit.PersonConfirmed{Person: "sven", Key: fingerprint(key("evil")), By: "nora"},
	} {
		row, rev := inviteKey(code), uint64(1)
		if i > 0 {
			p, err := h.r.Person(ctx, "sven")
			h.ok(err)
			row, rev = personRow+"sven", p.Rev+1
		}
		_, err := h.j.Commit(ctx, row, audit.Event{Subject: row[strings.Index(row, "/")+1:], Rev: rev, Actor: "penstock", Body: b})
		h.ok(err)
	}
	invited, _, err := h.r.InviteAgent(ctx, h.actor("sven"), "line-1")
	h.ok(err)
	a, err := h.r.JoinAgent(ctx, invited, key("agent"))
	h.ok(err)
	h.ok(h.r.ConfirmAgent(ctx, h.actor("nora"), "line-1", a.Pending))
	_, _, err = h.r.InviteAgent(ctx, h.actor("sven"), "line-2")
	h.ok(err)
	if h.byKey(key("evil")) != "sven" {
		t.Fatal("the forged key never counted: this test shows nothing")
	}

	_, err = h.r.Suspend(ctx, func(int, int) {})
	h.ok(err)
	n, err := h.r.DropAgents(ctx)
	h.ok(err)
	if h.byKey(key("evil")) != "" {
		t.Error("a key that nobody invited counts as one that the plant began with")
	}
	if _, _, err := h.r.ByAccount(ctx, "https://login.test", "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a linked account still signs in: %v", err)
	}
	if _, err := h.r.AgentByKey(ctx, key("agent")); !errors.Is(err, fs.ErrNotExist) || n != 2 {
		t.Errorf("an agent still stands for its zone: %v; %d were dropped", err, n)
	}
	if n, err := h.r.DropAgents(ctx); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
	// Sven's own key, which the forged confirmation took from him, waits beside it: the telephone tells which is his.
	sven, err := h.r.Person(ctx, "sven")
	h.ok(err)
	if len(sven.Keys) != 2 || !sven.pending(fingerprint(key("sven"))) || sven.Keys[1].first() || sven.Keys[1].Signs() || h.byKey(key("sven")) != "" {
		t.Errorf("sven has %+v", sven.Keys)
	}
	if n, err := h.r.Suspend(ctx, func(int, int) {}); err != nil || n != 0 {
		t.Errorf("%d were suspended again: %v", n, err)
	}
	sealed, err := h.docs.Put(ctx, []byte("new secret"))
	h.ok(err)
	h.ok(h.r.Enroll(ctx, h.overKey("nora"), Key{Kind: TOTP, ID: "totp", Sealed: sealed}))
	h.ok(h.r.Confirm(ctx, h.actor("nora"), "sven", fingerprint(key("sven"))))
	if h.byKey(key("sven")) != "sven" || h.byKey(key("evil")) != "" {
		t.Error("confirmed again, sven's key of the bootstrap file does not count, or the forged one does")
	}
	h.rebuilt()
}
