package people

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// Who may do what, a row for each story. A rule of "" is a yes.
func TestRights(t *testing.T) {
	kim := fingerprint(key("kim"))
	invite := func(by, who policy.PersonID, firm policy.FirmID, roles ...policy.Role) func(*house) error {
		return func(h *house) error {
			_, err := h.r.Invite(ctx, h.actor(by), Invitation{Person: who, Firm: firm, Name: "Some One", Roles: roles})
			return err
		}
	}
	// joined: who was invited by whom and has a pending key; then somebody confirms.
	confirm := func(inviter, who policy.PersonID, firm policy.FirmID, by policy.PersonID) func(*house) error {
		return func(h *house) error {
			_, err := h.r.Join(ctx, h.invite(inviter, who, firm).Code, key("kim"))
			h.ok(err)
			return h.r.Confirm(ctx, h.actor(by), who, kim)
		}
	}
	with := func(change func(*Actor)) func(*house) error {
		return func(h *house) error {
			a := h.actor("sven")
			change(&a)
			_, err := h.r.Invite(ctx, a, Invitation{Person: "kim", Firm: "krall", Name: "Kim Roth"})
			return err
		}
	}
	invited := func(ago time.Duration) func(*house) error {
		return func(h *house) error {
			h.invite("olaf", "kim", "krall")
			h.now = h.now.Add(ago)
			return h.r.Confirm(ctx, h.actor("olaf"), "kim", kim)
		}
	}
	firm := func(by policy.PersonID, f Firm) func(*house) error {
		return func(h *house) error { return h.r.SetFirm(ctx, h.actor(by), f) }
	}
	disable := func(by, who policy.PersonID) func(*house) error {
		return func(h *house) error {
			a := h.actor(by)
			a.Step, a.At = 0, h.now.Add(-8*time.Hour) // taking asks for no code
			return h.r.Disable(ctx, a, who, "left")
		}
	}
	change := func(by, who policy.PersonID, roles ...policy.Role) func(*house) error {
		return func(h *house) error { return h.r.Change(ctx, h.actor(by), who, "Some One", roles) }
	}
	roles := func(by, who policy.PersonID, give, take string) func(*house) error {
		return func(h *house) error { return h.r.ChangeRoles(ctx, h.actor(by), who, some(give), some(take)) }
	}
	phone := func(by, who policy.PersonID, number string) func(*house) error {
		return func(h *house) error { return h.r.SetPhone(ctx, h.actor(by), who, number) }
	}
	terms := func(by policy.PersonID, firm policy.FirmID, text string, days int) func(*house) error {
		return func(h *house) error { return h.r.SetTerms(ctx, h.actor(by), firm, text, days) }
	}
	train := func(by, who policy.PersonID, name string, until time.Duration) func(*house) error {
		return func(h *house) error { return h.r.NoteTraining(ctx, h.actor(by), who, name, h.now.Add(until)) }
	}
	accept := func(who policy.PersonID, text string) func(*house) error {
		return func(h *house) error {
			h.ok(terms("sven", "krall", "no phones", 30)(h))
			_, err := h.r.AcceptTerms(ctx, h.actor(who), audit.HashOf([]byte(text)))
			return err
		}
	}
	endFirm := func(by policy.PersonID, firm policy.FirmID) func(*house) error {
		return func(h *house) error { return h.r.EndFirm(ctx, h.actor(by), firm, "over") }
	}
	zett := Firm{ID: "zett", Name: "Zett", Sponsor: "olaf"}
	for name, c := range map[string]struct {
		do   func(*house) error
		rule string
	}{
		"security gives one more role":                  {roles("sven", "mia", "maintenance", ""), ""},
		"security takes a role":                         {roles("sven", "mia", "", "shift"), ""},
		"a role that they have":                         {roles("sven", "mia", "shift", ""), "no-change"},
		"a role given and taken":                        {roles("sven", "mia", "maintenance", "maintenance"), "person-fields"},
		"a role of their own":                           {roles("sven", "sven", "shift", ""), "not-yours"},
		"a role by the shift":                           {roles("mia", "olaf", "shift", ""), "not-yours"},
		"a role for nobody, asked by the shift":         {roles("mia", "nobody", "shift", ""), "not-yours"},
		"a role for a vendor's person":                  {roles("sven", "ann", "shift", ""), "person-fields"},
		"a role that no plant file has":                 {roles("sven", "mia", "wizard", ""), "person-fields"},
		"security writes terms":                         {terms("sven", "krall", "no phones", 30), ""},
		"the sponsor writes terms":                      {terms("olaf", "krall", "no phones", 30), "not-yours"},
		"terms of the plant":                            {terms("sven", "fjord", "no phones", 30), "no-such-firm"},
		"terms for no day":                              {terms("sven", "krall", "no phones", 0), "bad-terms"},
		"terms that move a terminal":                    {terms("sven", "krall", "no\x1b[2J", 30), "bad-terms"},
		"terms that turn the writing":                   {terms("sven", "krall", "no \u202e phones", 30), "bad-terms"},
		"the person accepts":                            {accept("ann", "no phones\n"), ""},
		"another text is accepted":                      {accept("ann", "no bags\n"), "other-terms"},
		"the plant accepts":                             {accept("mia", "no phones\n"), "no-terms"},
		"the sponsor writes a training":                 {train("olaf", "ann", "site-safety", time.Hour), ""},
		"the shift writes a training":                   {train("mia", "ann", "site-safety", time.Hour), "not-yours"},
		"a vendor writes their own training":            {train("ann", "ann", "site-safety", time.Hour), "plant-people-only"},
		"a training that is over":                       {train("olaf", "ann", "site-safety", -time.Hour), "bad-training"},
		"a training for ever":                           {train("olaf", "ann", "site-safety", 20*365*24*time.Hour), "bad-training"},
		"a training with a title for a name":            {train("olaf", "ann", "Site safety", time.Hour), "bad-training"},
		"the sponsor ends a contract":                   {endFirm("olaf", "krall"), ""},
		"the shift ends a contract":                     {endFirm("mia", "krall"), "not-yours"},
		"the plant's own contract":                      {endFirm("sven", "fjord"), "no-such-firm"},
		"the sponsor invites a vendor's person":         {invite("olaf", "kim", "krall"), ""},
		"security invites a vendor's person":            {invite("sven", "kim", "krall"), ""},
		"the shift invites a vendor's person":           {invite("mia", "kim", "krall"), "not-yours"},
		"a vendor invites a colleague":                  {invite("ann", "kim", "krall"), "plant-people-only"},
		"security invites a plant person with roles":    {invite("sven", "kim", "fjord", "shift"), ""},
		"a sponsor invites a plant person":              {invite("olaf", "kim", "fjord"), "not-yours"},
		"somebody invites themself":                     {invite("sven", "sven", "fjord", "shift"), "own-invitation"},
		"an invitation to an unknown firm":              {invite("sven", "kim", "nowhere"), "no-such-firm"},
		"a vendor's person with a role":                 {invite("sven", "kim", "krall", "shift"), "person-fields"},
		"a role that the plant file has not":            {invite("sven", "kim", "fjord", "wizard"), "person-fields"},
		"a role twice":                                  {invite("sven", "kim", "fjord", "shift", "shift"), "person-fields"},
		"an id with a capital":                          {invite("sven", "Kim", "krall"), "person-fields"},
		"a reserved id":                                 {invite("sven", "join", "krall"), "person-fields"},
		"the server's own name":                         {invite("sven", "penstock", "krall"), "person-fields"},
		"more roles for somebody by an invitation":      {invite("sven", "mia", "fjord", "ot-security"), "person-there"},
		"somebody of one firm invited into another":     {invite("sven", "ann", "fjord"), "person-there"},
		"hostile text in a name":                        {named("Kim\x1b[2J"), "person-fields"},
		"a name that turns the text":                    {named("Kim ‮htoR"), "person-fields"},
		"an invisible letter":                           {named("Kim\u200bRoth"), "person-fields"},
		"bytes that are no text":                        {named("Kim \xff"), "person-fields"},
		"an endless name":                               {named(strings.Repeat("k", 81)), "person-fields"},
		"a name of nothing":                             {named(" "), "person-fields"},
		"80 letters of any script":                      {named(strings.Repeat("ø", 80)), ""},
		"no code was given":                             {with(func(a *Actor) { a.Step = 0 }), "code-needed"},
		"a code of five minutes ago":                    {with(func(a *Actor) { a.At = a.At.Add(-5 * time.Minute) }), ""},
		"a code of six minutes ago":                     {with(func(a *Actor) { a.At = a.At.Add(-6 * time.Minute) }), "code-needed"},
		"a code from ahead":                             {with(func(a *Actor) { a.At = a.At.Add(2 * time.Minute) }), "code-needed"},
		"an actor of no time":                           {with(func(a *Actor) { a.At = time.Time{} }), "code-needed"},
		"nobody at all":                                 {with(func(a *Actor) { *a = Actor{} }), "plant-people-only"},
		"an actor who says vendor":                      {with(func(a *Actor) { a.Plant = false }), "plant-people-only"},
		"an actor who says another firm":                {with(func(a *Actor) { a.Firm = "krall" }), "plant-people-only"},
		"a role that was only ever in the sign-in":      {with(func(a *Actor) { a.Person = "mia"; a.Roles = []policy.Role{"ot-security"} }), "not-yours"},
		"the sponsor confirms":                          {confirm("sven", "kim", "krall", "olaf"), ""},
		"the inviter confirms":                          {confirm("sven", "kim", "krall", "sven"), ""},
		"another of security confirms a vendor":         {confirm("sven", "kim", "krall", "nora"), "confirm"},
		"the shift confirms":                            {confirm("sven", "kim", "krall", "mia"), "confirm"},
		"a vendor confirms":                             {confirm("olaf", "kim", "krall", "ann"), "plant-people-only"},
		"a plant person by another of security":         {confirm("sven", "kim", "fjord", "nora"), ""},
		"a plant person by the inviter":                 {confirm("sven", "kim", "fjord", "sven"), "confirm"},
		"a plant person by the shift":                   {confirm("sven", "kim", "fjord", "mia"), "confirm"},
		"a confirmation of nobody":                      {func(h *house) error { return h.r.Confirm(ctx, h.actor("sven"), "kim", kim) }, "no-such-person"},
		"a confirmation before there is a key":          {invited(0), "no-key-yet"},
		"a confirmation when the invitation is over":    {invited(25 * time.Hour), "invitation-late"},
		"nobody confirms their own key":                 {ownKey, "confirm"},
		"security makes a firm":                         {firm("sven", zett), ""},
		"a sponsor makes a firm":                        {firm("olaf", zett), "not-yours"},
		"a vendor makes a firm":                         {firm("ann", zett), "plant-people-only"},
		"a second plant":                                {firm("sven", Firm{ID: "zett", Name: "Zett", Plant: true}), "one-plant"},
		"the plant becomes a vendor":                    {firm("sven", Firm{ID: "fjord", Name: "Fjord", Sponsor: "olaf"}), "one-plant"},
		"a firm without a sponsor":                      {firm("sven", Firm{ID: "zett", Name: "Zett"}), "firm-fields"},
		"the plant with a sponsor":                      {firm("sven", Firm{ID: "fjord", Name: "Fjord", Plant: true, Sponsor: "olaf"}), "firm-fields"},
		"a firm with a vendor as sponsor":               {firm("sven", Firm{ID: "zett", Name: "Zett", Sponsor: "ann"}), "sponsor"},
		"a firm with nobody as sponsor":                 {firm("sven", Firm{ID: "zett", Name: "Zett", Sponsor: "kim"}), "sponsor"},
		"a firm without a name":                         {firm("sven", Firm{ID: "zett", Sponsor: "olaf"}), "firm-fields"},
		"a firm with a bad id":                          {firm("sven", Firm{ID: "Zett/..", Name: "Zett", Sponsor: "olaf"}), "firm-fields"},
		"a firm with no network in its networks":        {firm("sven", Firm{ID: "zett", Name: "Zett", Sponsor: "olaf", Networks: make([]netip.Prefix, 1)}), "firm-fields"},
		"a firm with too many networks":                 {firm("sven", Firm{ID: "zett", Name: "Zett", Sponsor: "olaf", Networks: make([]netip.Prefix, 33)}), "firm-fields"},
		"the sponsor writes a number":                   {phone("olaf", "ann", "+49 431 555-0121"), ""},
		"security writes a number":                      {phone("sven", "mia", "+494315550101"), ""},
		"a number is taken away":                        {phone("olaf", "ann", ""), ""},
		"the shift writes a vendor's number":            {phone("mia", "ann", "+494315550121"), "not-yours"},
		"a sponsor writes a plant person's number":      {phone("olaf", "mia", "+494315550121"), "not-yours"},
		"nobody writes their own number":                {phone("sven", "sven", "+494315550121"), "not-yours"},
		"a vendor writes a number":                      {phone("ann", "ann", "+494315550121"), "plant-people-only"},
		"a number of nobody":                            {phone("sven", "kim", "+494315550121"), "no-such-person"},
		"a number that is none":                         {phone("olaf", "ann", "javascript:1"), "bad-phone"},
		"the sponsor disables":                          {disable("olaf", "ann"), ""},
		"security disables":                             {disable("sven", "mia"), ""},
		"security disables security":                    {disable("sven", "nora"), ""},
		"the shift disables a vendor":                   {disable("mia", "ann"), "not-yours"},
		"a sponsor disables a plant person":             {disable("olaf", "mia"), "not-yours"},
		"a vendor disables":                             {disable("ann", "ann"), "plant-people-only"},
		"nobody is disabled":                            {disable("sven", "kim"), "no-such-person"},
		"hostile text as the reason":                    {func(h *house) error { return h.r.Disable(ctx, h.actor("sven"), "ann", "\x1b]0;") }, "why"},
		"security gives a role":                         {change("sven", "mia", "ot-security"), ""},
		"the shift gives a role":                        {change("mia", "olaf", "shift"), "not-yours"},
		"somebody gives themself a role":                {change("sven", "sven", "ot-security", "shift"), "not-yours"},
		"a vendor gets a role":                          {change("sven", "ann", "shift"), "person-fields"},
		"nobody gets a role":                            {change("sven", "kim", "shift"), "no-such-person"},
		"the last of security loses the role":           {lastRole, "last-security"},
		"the last of security is disabled":              {lastDisabled, "last-security"},
		"a disabled person acts in an old sign-in":      {oldSignIn, "plant-people-only"},
		"a disabled person enrolls":                     {enrollDisabled, "no-such-person"},
		"two of security, one joins anew":               {twoOfSecurity("mia"), ""},
		"two of security, the inviter confirms as well": {twoOfSecurity("sven"), "confirm"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, documents(t))
			if c.rule == "" {
				h.ok(c.do(h))
				h.rebuilt()
				return
			}
			err := c.do(h)
			var r *policy.Refusal
			if !errors.As(err, &r) || r.Rule != c.rule {
				t.Fatalf("%v; want a refusal by %s", err, c.rule)
			}
			h.rebuilt()
		})
	}
}

func named(name string) func(*house) error {
	return func(h *house) error {
		_, err := h.r.Invite(ctx, h.actor("sven"), Invitation{Person: "kim", Firm: "krall", Name: name})
		return err
	}
}

func ownKey(h *house) error {
	_, err := h.r.Join(ctx, h.invite2("sven", "nora").Code, key("nora2"))
	h.ok(err)
	return h.r.Confirm(ctx, h.actor("nora"), "nora", fingerprint(key("nora2")))
}

func lastRole(h *house) error {
	h.ok(h.r.Disable(ctx, h.actor("sven"), "nora", "left"))
	h.r.Security = func() []policy.Role { return []policy.Role{"ot-security", "maintenance"} }
	h.ok(h.r.Change(ctx, h.actor("olaf"), "sven", "Sven Ott", nil))
	h.r.Security = func() []policy.Role { return []policy.Role{"maintenance", "shift"} }
	h.ok(h.r.Disable(ctx, h.actor("olaf"), "mia", "left"))
	return h.r.Disable(ctx, h.actor("olaf"), "olaf", "left")
}

func lastDisabled(h *house) error {
	h.ok(h.r.Disable(ctx, h.actor("sven"), "nora", "left"))
	return h.r.Disable(ctx, h.actor("sven"), "sven", "left")
}

func oldSignIn(h *house) error {
	sven := h.actor("sven")
	h.ok(h.r.Disable(ctx, h.actor("nora"), "sven", "left"))
	_, err := h.r.Invite(ctx, sven, Invitation{Person: "kim", Firm: "krall", Name: "Kim Roth"})
	return err
}

func enrollDisabled(h *house) error {
	ann := h.overKey("ann")
	h.ok(h.r.Disable(ctx, h.actor("olaf"), "ann", "left"))
	return h.r.Enroll(ctx, ann, Key{Kind: TOTP, Sealed: audit.HashOf([]byte("t"))})
}

// twoOfSecurity: sven invites nora anew, and no third holder of the role is
// there; another person of the plant is the second pair of eyes.
func twoOfSecurity(by policy.PersonID) func(*house) error {
	return func(h *house) error {
		_, err := h.r.Join(ctx, h.invite2("sven", "nora").Code, key("nora2"))
		h.ok(err)
		return h.r.Confirm(ctx, h.actor(by), "nora", fingerprint(key("nora2")))
	}
}

func TestEnroll(t *testing.T) {
	sealed := func(s string) audit.Hash { return audit.HashOf([]byte(s)) }
	h := newHouse(t, documents(t))
	h.refused("key-needed", func() error { return h.r.Enroll(ctx, h.actor("ann"), Key{Kind: TOTP, Sealed: sealed("1")}) })
	stale := h.overKey("ann")
	stale.At = stale.At.Add(-6 * time.Minute)
	h.refused("key-needed", func() error { return h.r.Enroll(ctx, stale, Key{Kind: TOTP, Sealed: sealed("1")}) })
	h.ok(h.r.Enroll(ctx, h.overKey("ann"), Key{Kind: TOTP, Sealed: sealed("1")}))
	h.refused("code-needed", func() error { return h.r.Enroll(ctx, h.overKey("ann"), Key{Kind: TOTP, Sealed: sealed("2")}) })
	h.ok(h.r.Enroll(ctx, h.actor("ann"), Key{Kind: TOTP, Sealed: sealed("2")}))
	h.refused("enroll", func() error { return h.r.Enroll(ctx, h.actor("ann"), Key{Kind: SSH, Sealed: sealed("3")}) })
	h.refused("enroll", func() error { return h.r.Enroll(ctx, h.actor("ann"), Key{Kind: TOTP}) })
	ann, err := h.r.Person(ctx, "ann")
	h.ok(err)
	if k, ok := ann.Key(TOTP); !ok || k.Sealed != sealed("2") || k.ID != "totp" || len(ann.Keys) != 2 {
		t.Errorf("ann is %+v", ann)
	}
	h.rebuilt()
}

func TestRemoveKey(t *testing.T) {
	h := newHouse(t, documents(t))
	h.ok(h.r.Enroll(ctx, h.overKey("ann"), Key{Kind: TOTP, Sealed: audit.HashOf([]byte("1"))}))
	olaf := h.actor("olaf")
	olaf.Step = 0
	ssh := fingerprint(key("ann"))
	h.refused("code-needed", func() error { return h.r.RemoveKey(ctx, olaf, "ann", "totp") })
	h.refused("no-such-key", func() error { return h.r.RemoveKey(ctx, olaf, "ann", "password") })
	h.refused("not-yours", func() error { return h.r.RemoveKey(ctx, h.actor("mia"), "ann", ssh) })
	h.refused("not-yours", func() error { return h.r.RemoveKey(ctx, h.actor("sven"), "sven", fingerprint(key("sven"))) })
	h.ok(h.r.RemoveKey(ctx, h.actor("olaf"), "ann", "totp"))
	h.ok(h.r.RemoveKey(ctx, olaf, "ann", ssh))
	if h.byKey(key("ann")) != "" {
		t.Error("a key that was taken away counts")
	}
	code := h.invite2("olaf", "ann").Code
	h.refused("key-known", func() error { _, err := h.r.Join(ctx, code, key("ann")); return err })
	h.rebuilt()
}

func TestDisabled(t *testing.T) {
	h := newHouse(t, documents(t))
	h.ok(h.r.Disable(ctx, h.actor("olaf"), "ann", "left"))
	size := h.log.Size()
	h.ok(h.r.Disable(ctx, h.actor("olaf"), "ann", "again"))
	if h.log.Size() != size {
		t.Error("disabled twice")
	}
	if facts, err := h.r.Facts(ctx, "ann"); err != nil || !facts.Disabled || h.byKey(key("ann")) != "" {
		t.Errorf("facts %+v, %v", facts, err)
	}
	h.refused("person-there", func() error { _, err := h.r.Invite(ctx, h.actor("olaf"), Invitation{Person: "ann"}); return err })
	h.refused("no-such-person", func() error { return h.r.RemoveKey(ctx, h.actor("olaf"), "ann", fingerprint(key("ann"))) })
	code := h.invite("olaf", "kim", "krall").Code
	h.refused("key-known", func() error { _, err := h.r.Join(ctx, code, key("ann")); return err })
	h.rebuilt()
}

func some(role string) []policy.Role {
	if role == "" {
		return nil
	}
	return []policy.Role{policy.Role(role)}
}

// What is not named stays, whoever else wrote it meanwhile.
func TestRolesAreGivenAndTakenOneByOne(t *testing.T) {
	h := newHouse(t, documents(t))
	h.ok(h.r.ChangeRoles(ctx, h.actor("sven"), "mia", some("maintenance"), nil))
	h.ok(h.r.ChangeRoles(ctx, h.actor("nora"), "mia", some("ot-security"), some("shift")))
	mia, err := h.r.Person(ctx, "mia")
	h.ok(err)
	if want := []policy.Role{"maintenance", "ot-security"}; !slices.Equal(mia.Roles, want) || mia.Name != "Mia Voss" {
		t.Errorf("mia is %+v", mia)
	}
	stale := h.actor("sven")
	stale.Step = 0
	h.refused("code-needed", func() error { return h.r.ChangeRoles(ctx, stale, "mia", some("shift"), nil) })
}
