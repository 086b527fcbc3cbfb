package people

import "testing"

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
