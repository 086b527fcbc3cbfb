package login

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"penstock/approvals/people"
)

func elsewhere(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}) }

// TestStolenKeyAndAThousandAddresses: the code is all that stands between a
// thief of a key, or of a password, and the plant.
func TestStolenKeyAndAThousandAddresses(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	owner, err := w.Code(ctx, w.bySSH(1), w.code()) // from here, before
	if err != nil || !owner.Proved(people.TOTP) {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	var looked atomic.Int32
	var all sync.WaitGroup
	for i := range 200 { // at once: each is slowed by a second, and that is nothing
		a := w.bySSH(1)
		a.Source = elsewhere(i)
		all.Go(func() {
			if _, err := w.Code(ctx, a, "000000"); rule(err) != "login-wait" {
				looked.Add(1)
			}
		})
	}
	all.Wait()
	if n := looked.Load(); n > 20 {
		t.Errorf("%d guesses of 200 were looked at", n)
	}
	thief := w.bySSH(1)
	thief.Source = there
	if _, err := w.Code(ctx, thief, w.code()); rule(err) != "login-wait" {
		t.Errorf("a thief's next guess, which is right, from another address: %v", err)
	}
	if _, err := w.Code(ctx, w.bySSH(1), w.code()); err != nil {
		t.Errorf("the owner, from where they always are: %v", err)
	}
}

// TestNobodyIsLockedOutByName: who has neither key nor password keeps nobody out.
func TestNobodyIsLockedOutByName(t *testing.T) {
	w := newWorld(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 200 {
		_, _ = w.SignIn(cancelled, elsewhere(i), "mia", "not the password", "000000")
	}
	if _, err := w.SignIn(t.Context(), there, "mia", password, w.code()); err != nil {
		t.Errorf("the owner, from a new address: %v", err)
	}
}

// TestGuessersDoNotTakeTheSignIn: every place and the queue are full of strangers.
func TestGuessersDoNotTakeTheSignIn(t *testing.T) {
	w := newWorld(t)
	if _, err := w.SignIn(t.Context(), here, "mia", password, ""); err != nil {
		t.Fatal(err)
	}
	for range cap(w.hashing.strangers) {
		if _, err := w.hashing.enter(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	for who, from := range map[string]netip.Addr{"from where she was": here, "at the machine's console": {}} {
		if _, err := w.SignIn(t.Context(), from, "mia", password, ""); err != nil {
			t.Errorf("mia, %s: %v", who, err)
		}
	}
}

func TestTheQueueOfStrangersIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		h := newHashing()
		for range cap(h.strangers) {
			if _, err := h.enter(ctx, false); err != nil {
				t.Fatal(err)
			}
		}
		ended := make(chan error, maxWaiting)
		for range maxWaiting {
			go func() { _, err := h.enter(ctx, false); ended <- err }()
		}
		synctest.Wait()
		if _, err := h.enter(ctx, false); rule(err) != "login-busy" {
			t.Errorf("one more in the queue: %v", err)
		}
		cancel()
		for range maxWaiting {
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("a stranger was let in: %v", err)
			}
		}
	})
}

// TestAddressesAreCheapAndLinesAreNot: a guesser with a network of addresses
// does not fill the log.
func TestAddressesAreCheapAndLinesAreNot(t *testing.T) {
	w := newWorld(t)
	before := w.log.count("login.refused")
	for i := range 500 {
		w.refused(t.Context(), fmt.Sprint("name", i), elsewhere(i), "wrong")
	}
	if n := w.log.count("login.refused") - before; n != maxLines {
		t.Errorf("%d events in a second", n)
	}
	w.pass(time.Second)
	w.refused(t.Context(), "mia", here, "wrong")
	if n := w.log.count("login.refused") - before; n != maxLines+1 {
		t.Errorf("the next second is silent: %d", n)
	}
}

// TestAPlantBehindOneAddress: somebody at the plant's own address, who has
// neither key nor password, types a supervisor's name with wrong passwords for
// as long as they like. Who is signed in opens a window all the same.
func TestAPlantBehindOneAddress(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	mia, err := w.SignIn(ctx, here, "mia", password, "")
	if err != nil {
		t.Fatal(err)
	}
	key := w.bySSH(1)
	for _, name := range []string{"mia", "MIA", "olaf", "nobody", "step\x00mia"} {
		for range 2 * freeTries {
			_, _ = w.SignIn(ctx, here, name, "not the password", "000000")
		}
	}
	if _, err := w.SignIn(ctx, here, "mia", password, ""); rule(err) != "login-wait" {
		t.Fatalf("the attacker does not reach that anybody waits: %v", err)
	}
	if got, err := w.Code(ctx, mia, w.code()); err != nil || !got.Proved(people.TOTP) {
		t.Errorf("a code by who is signed in: %v", err)
	}
	w.pass(time.Minute)
	if _, err := w.Code(ctx, key, w.code()); err != nil {
		t.Errorf("a code over a proven key: %v", err)
	}
	for range freeTries { // and whoever has come so far guesses no faster than before
		if _, err := w.Code(ctx, mia, "000000"); rule(err) != "login" {
			t.Fatalf("a wrong code: %v", err)
		}
	}
	if _, err := w.Code(ctx, mia, w.code()); rule(err) != "login-wait" {
		t.Errorf("a sixth code at once: %v", err)
	}
}

// TestNobodySetsPasswordsAllDay: each is a document and events that stay.
func TestNobodySetsPasswordsAllDay(t *testing.T) {
	w := newWorld(t)
	set := func() error {
		a, err := w.Code(t.Context(), w.bySSH(1), w.code())
		if err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		return w.SetPassword(t.Context(), a, password)
	}
	for n := 2; n < mostEnrolled; n++ { // newWorld has set a password and a generator
		if err := set(); err != nil {
			t.Fatalf("number %d: %v", n, err)
		}
	}
	if err := set(); rule(err) != "enrolled-often" {
		t.Errorf("one more: %v", err)
	}
	before := w.log.count("key.enrolled")
	a, err := w.Code(t.Context(), w.bySSH(1), w.code())
	if err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if err := w.EnrolSecret(t.Context(), a, w.secret, w.code()); rule(err) != "enrolled-often" {
		t.Errorf("a generator: %v", err)
	}
	if w.log.count("key.enrolled") != before {
		t.Error("something was enrolled")
	}
	w.pass(enrolledIn)
	if err := set(); err != nil {
		t.Errorf("the next day: %v", err)
	}
}

// TestAnOwnBrowserIsNoStranger: whoever has signed in at a browser signs in there
// again, from whatever address, while others flood the door or share it.
func TestAnOwnBrowserIsNoStranger(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.SignIn(ctx, here, "mia", password, ""); err != nil {
		t.Fatal(err)
	}
	phone := w.Browser("mia")
	for range cap(w.hashing.strangers) { // and all places of strangers are taken
		if _, err := w.hashing.enter(ctx, false); err != nil {
			t.Fatal(err)
		}
	}
	busy, stop := context.WithCancel(ctx)
	stop()
	for range 2 * freeTries {
		_, _ = w.SignIn(busy, here, "mia", "not the password", "")
		_, _ = w.SignIn(busy, there, "mia", "not the password", "")
	}
	for _, from := range []netip.Addr{here, there, elsewhere(7)} {
		if _, err := w.SignInAt(ctx, from, phone, "mia", password, ""); err != nil {
			t.Errorf("mia at her phone, from %s: %v", from, err)
		}
	}
	anotherBroker := &Proofs{now: w.clock, browsers: newBrowsers()}
	altered := []byte(phone)
	if altered[0]++; phone[0] != 'A' {
		altered[0] = 'A'
	}
	for what, sign := range map[string]string{"nothing": "", "no base64": "!", "another person's": w.Browser("olaf"), "another broker's": anotherBroker.Browser("mia"),
		"altered": string(altered), "longer": phone + "AAAA"} {
		if _, err := w.SignInAt(ctx, here, sign, "mia", password, ""); rule(err) != "login-wait" {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range freeTries { // it is no way to guess faster
		if _, err := w.SignInAt(ctx, elsewhere(8), phone, "mia", "a wrong password", ""); rule(err) != "login" {
			t.Fatal(err)
		}
	}
	if _, err := w.SignInAt(ctx, elsewhere(9), phone, "mia", password, ""); rule(err) != "login-wait" {
		t.Errorf("a sixth try at once at a stolen phone: %v", err)
	}
	w.pass(BrowserLife)
	if w.browsers.of("mia", phone, w.clock()) != "" {
		t.Error("it is hers for ever")
	}
}
