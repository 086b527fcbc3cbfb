package review_test

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/review"
)

// sealedLibrary is an archive without a key, with sealed recordings S-1 and S-2
// that this identity opens.
func sealedLibrary(t *testing.T) (*recording.Archive, age.Identity) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	a, _ := archive(t, recording.Parts{Mode: "sealed", Recipients: []string{id.Recipient().String()}, SealedTo: []string{"mia"}})
	for _, session := range []string{"S-1", "S-2"} {
		w, _, _, err := a.Create(t.Context(), recording.Header{Session: session, Person: "ann"})
		must(t, err)
		s, err := w.Stream(0, "exec")
		must(t, err)
		must(t, s.Commit(t.Context(), recording.Out, []byte("secret of "+session)))
		_, err = w.Close(t.Context(), "client")
		must(t, err)
	}
	return a, id
}

// unwrap is what an auditor's browser does with the key file.
func unwrap(t *testing.T, file []byte, id age.Identity) []byte {
	t.Helper()
	r, err := age.Decrypt(bytes.NewReader(file), id)
	must(t, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(r)
	must(t, err)
	return b.Bytes()[:32]
}

func TestASealedRecordingIsOpenedForOneSignInAndAnEvent(t *testing.T) {
	archive, id := sealedLibrary(t)
	log := &events{}
	book := review.NewBook(archive, log, security)
	t.Cleanup(func() { book.Seal("here", "") })
	sits := func(holder string) review.Reader {
		who := mia
		who.What, who.Form, who.Holder = "play", "", holder
		return who
	}
	may := func(holder, session string) error {
		r, err := book.Read(t.Context(), sits(holder), session)
		if err == nil {
			r.Close()
		}
		return err
	}
	if err := may("here", "S-1"); !errors.Is(err, recording.ErrSealed) {
		t.Errorf("before: %v", err)
	}
	log.all = nil
	file, err := book.KeyFile(t.Context(), sits("here"), "S-1")
	must(t, err)
	key := unwrap(t, file, id)
	given := bytes.Clone(key)
	until, err := book.Unseal(t.Context(), sits("here"), "S-1", given)
	must(t, err)
	if until.IsZero() || !until.Equal(book.Unsealed("here", "S-1")) || !bytes.Equal(given, make([]byte, 32)) {
		t.Errorf("open until %v, the key given is %x", until, given)
	}
	want := []audit.ReviewOpened{{Session: "S-1", Person: "mia", What: "unseal", Form: "key file"}, {Session: "S-1", Person: "mia", What: "unseal"}}
	if len(log.all) != 2 || log.all[0].Body != want[0] || log.all[1].Body != want[1] {
		t.Errorf("events: %+v", log.all)
	}
	for _, row := range []struct {
		story, holder, session string
		want                   error
	}{{"who opened it", "here", "S-1", nil}, {"another sign-in", "there", "S-1", recording.ErrSealed},
		{"no sign-in", "", "S-1", recording.ErrSealed}, {"another recording", "here", "S-2", recording.ErrSealed}} {
		if err := may(row.holder, row.session); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.story, err)
		}
	}
	book.Seal("there", "")
	must(t, may("here", "S-1"))
	book.Seal("here", "S-1")
	if err := may("here", "S-1"); !errors.Is(err, recording.ErrSealed) || !book.Unsealed("here", "S-1").IsZero() {
		t.Errorf("sealed again: %v", err)
	}
}

func TestUnsealRefuses(t *testing.T) {
	archive, id := sealedLibrary(t)
	log := &events{}
	book := review.NewBook(archive, log, security)
	file, err := archive.KeyFile("S-1")
	must(t, err)
	key := unwrap(t, file, id)
	sec := review.Reader{Person: "mia", Roles: []string{"security"}, Holder: "here"}
	shift := review.Reader{Person: "olaf", Roles: []string{"shift"}, Holder: "here"}
	nobody := sec
	nobody.Holder = ""
	for _, row := range []struct {
		story   string
		who     review.Reader
		session string
		key     []byte
		want    error
		events  int
	}{
		{"another role", shift, "S-1", key, review.ErrMayNot, 0},
		{"no sign-in", nobody, "S-1", key, review.ErrMayNot, 0},
		{"the key of another", sec, "S-2", key, recording.ErrWrongKey, 1},
		{"no key", sec, "S-1", nil, recording.ErrWrongKey, 1},
		{"no such session", sec, "S-9", key, fs.ErrNotExist, 0},
	} {
		log.all = nil
		if _, err := book.Unseal(t.Context(), row.who, row.session, bytes.Clone(row.key)); !errors.Is(err, row.want) || len(log.all) != row.events {
			t.Errorf("%s: %v, events %+v", row.story, err, log.all)
		}
		if !book.Unsealed("here", row.session).IsZero() {
			t.Errorf("%s: it is open", row.story)
		}
	}
	if _, err := book.KeyFile(t.Context(), shift, "S-1"); !errors.Is(err, review.ErrMayNot) {
		t.Errorf("the key file for another role: %v", err)
	}
	log.refuse = errors.New("log broken")
	if _, err := book.Unseal(t.Context(), sec, "S-1", bytes.Clone(key)); !errors.Is(err, log.refuse) || !book.Unsealed("here", "S-1").IsZero() {
		t.Errorf("with a log that fails: %v", err)
	}
}

// TestAPlayingGoesOn: one event, whoever began it and nobody else, and not a
// moment longer than the right, the sign-in's key, and a shift.
func TestAPlayingGoesOn(t *testing.T) {
	archive, id := sealedLibrary(t)
	log := &events{}
	roles := security
	book := review.NewBook(archive, log, func(r []string) bool { return roles(r) })
	now := time.Now()
	book.Keeps(review.House{Log: (*audit.Log)(nil), Now: func() time.Time { return now }})
	t.Cleanup(func() { book.Seal("here", "") })
	who := mia
	who.Holder = "here"
	if _, _, err := book.Play(t.Context(), who, "S-1", 0); !errors.Is(err, recording.ErrSealed) {
		t.Errorf("a sealed one: %v", err)
	}
	file, err := book.KeyFile(t.Context(), who, "S-1")
	must(t, err)
	_, err = book.Unseal(t.Context(), who, "S-1", unwrap(t, file, id))
	must(t, err)
	log.all = nil
	playing, r, err := book.Play(t.Context(), who, "S-1", 0)
	must(t, err)
	r.Close()
	on := func(w review.Reader, session, id string) error {
		ch, r, err := book.PlayOn(w, session, id)
		if err == nil {
			r.Close()
		}
		if err == nil && ch != 0 {
			t.Errorf("channel %d", ch)
		}
		return err
	}
	must(t, on(who, "S-1", playing))
	must(t, on(who, "S-1", playing))
	if len(log.all) != 1 || log.all[0].Body != audit.Body(audit.ReviewOpened{Session: "S-1", Person: "mia", What: "play", Form: "channel 0"}) {
		t.Errorf("events: %+v", log.all)
	}
	other, there := who, who
	other.Person, there.Holder = "olaf", "there"
	for story, err := range map[string]error{"somebody else": on(other, "S-1", playing), "another sign-in": on(there, "S-1", playing),
		"another session": on(who, "S-2", playing), "no such playing": on(who, "S-1", "x")} {
		if !errors.Is(err, review.ErrNoPlaying) {
			t.Errorf("%s: %v", story, err)
		}
	}
	for range 20 { // of one person; the oldest goes
		_, r, err := book.Play(t.Context(), who, "S-1", 0)
		must(t, err)
		r.Close()
	}
	if err := on(who, "S-1", playing); !errors.Is(err, review.ErrNoPlaying) {
		t.Errorf("after twenty others: %v", err)
	}
	playing, r, err = book.Play(t.Context(), who, "S-1", 0)
	must(t, err)
	r.Close()
	now = now.Add(review.PlayingFor + time.Minute)
	if err := on(who, "S-1", playing); !errors.Is(err, review.ErrNoPlaying) {
		t.Errorf("after a shift: %v", err)
	}
	now = now.Add(-2 * time.Minute)
	must(t, on(who, "S-1", playing))
	roles = func([]string) bool { return false }
	if err := on(who, "S-1", playing); !errors.Is(err, review.ErrMayNot) {
		t.Errorf("without the right: %v", err)
	}
	roles = security
	book.Seal("here", "S-1")
	if err := on(who, "S-1", playing); !errors.Is(err, recording.ErrSealed) {
		t.Errorf("sealed again: %v", err)
	}
	log.refuse = errors.New("no log")
	if _, _, err := book.Play(t.Context(), who, "S-1", 0); !errors.Is(err, log.refuse) {
		t.Errorf("without a log: %v", err)
	}
}
