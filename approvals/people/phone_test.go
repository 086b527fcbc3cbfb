package people

import (
	"strings"
	"testing"
)

// TestCleanPhone: what is kept can stand behind tel:, and is one number.
func TestCleanPhone(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "+49 431 555 0121": "+494315550121", "+49 (431) 555-01/21": "+494315550121", "+4930123": "+4930123", "+123456789012345": "+123456789012345",
		"0431 555 0121": "!", "+0431 555 0121": "!", "+49": "!", "+1234567890123456": "!", "+49 431 CALL": "!", "+49431555;ext=1": "!", " ": "!", "+": "!",
		"+٤٩٤٣١٥٥٥": "!", "+49 431 555\n0121": "!", strings.Repeat(" ", 30) + "+494315550121": "!",
	} {
		got, err := cleanPhone(in)
		if (err != nil) != (want == "!") || err == nil && got != want {
			t.Errorf("%q is kept as %q, %v; want %q", in, got, err, want)
		}
	}
}

// TestPhoneOfAPerson: it comes with the invitation, stays with a new key and new
// roles, and is written anew by those who may.
func TestPhoneOfAPerson(t *testing.T) {
	h := newHouse(t, documents(t))
	phone := func(who string, want string) {
		t.Helper()
		if p, err := h.r.Person(ctx, "kim"); err != nil || p.Phone != want {
			t.Errorf("%s: the number is %q, %v; want %q", who, p.Phone, err, want)
		}
	}
	i, err := h.r.Invite(ctx, h.actor("olaf"), Invitation{Person: "kim", Firm: "krall", Name: "Kim Roth", Phone: "+49 431 555 0123"})
	h.ok(err)
	_, err = h.r.Join(ctx, i.Code, key("kim"))
	h.ok(err)
	phone("joined", "+494315550123")
	h.refused("person-there", func() error {
		_, err := h.r.Invite(ctx, h.actor("olaf"), Invitation{Person: "kim", Phone: "+49 431 555 0199"})
		return err
	})
	_, err = h.r.Invite(ctx, h.actor("olaf"), Invitation{Person: "kim"})
	h.ok(err)
	phone("invited again", "+494315550123")
	h.ok(h.r.Change(ctx, h.actor("sven"), "kim", "Kim Roth-Berg", nil))
	phone("under a new name", "+494315550123")
	h.ok(h.r.SetPhone(ctx, h.actor("olaf"), "kim", "+49 431 555 0124"))
	phone("another", "+494315550124")
	h.refused("bad-phone", func() error {
		_, err := h.r.Invite(ctx, h.actor("olaf"), Invitation{Person: "lea", Firm: "krall", Name: "Lea", Phone: "555"})
		return err
	})
	h.ok(h.r.SetPhone(ctx, h.actor("olaf"), "kim", ""))
	phone("none", "")
}
