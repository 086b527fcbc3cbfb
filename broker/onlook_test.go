package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"penstock/audit/recording"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// A person is told once who watches; the list says who watches now; and there
// is an end to how much somebody watches.
func TestWhoWatches(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, c := s.shell(t)
		const mia = "Mia Voss, Filling shift supervisor"
		leave, err := s.Watch(ses.ID(), "mia", mia)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Watch(ses.ID(), "mia", mia)
		if err != nil {
			t.Fatal(err)
		}
		leave()
		leave()
		if got := s.Sessions()[0].Watched; !slices.Equal(got, []string{mia}) {
			t.Errorf("watched by %v", got)
		}
		again()
		if got := s.Sessions()[0].Watched; len(got) != 0 {
			t.Errorf("watched by %v after all have left", got)
		}
		if _, err := s.Watch(ses.ID(), "mia", mia); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if told := s.guest.Told(); len(told) != 1 || told[0] != mia+", watches you." {
			t.Errorf("told %q", told)
		}
		if notes := s.tape.of(recording.Note); len(notes) != 1 || !strings.Contains(notes[0], mia) {
			t.Errorf("notes %q", notes)
		}
		if got := in(c, "x"); got != "passed" {
			t.Error(got)
		}
		if _, err := s.Watch("S-99", "mia", mia); rule(err) != "not-in" {
			t.Errorf("a session that is not there: %v", err)
		}
		ses.End(nil)
		<-ses.Done()
		if _, err := s.Watch(ses.ID(), "mia", mia); rule(err) != "not-in" {
			t.Errorf("a session that is over: %v", err)
		}
	})
}

func TestNobodyWatchesMoreThanThree(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		var ids []policy.SessionID
		for range 4 {
			ses, err := s.Admit(t.Context(), brokertest.Arrival(brokertest.W1), s.guest)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, ses.ID())
		}
		var leaves []func()
		for i, id := range ids {
			leave, err := s.Watch(id, "mia", "Mia")
			if (err == nil) != (i < 3) || err != nil && rule(err) != "watches-enough" {
				t.Errorf("session %d: %v", i+1, err)
			}
			leaves = append(leaves, leave)
		}
		for range 3 {
			if _, err := s.Watch(ids[0], "mia", "Mia"); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.Watch(ids[0], "mia", "Mia"); rule(err) != "watches-full" {
			t.Errorf("a seventh look: %v", err)
		}
		leaves[1]()
		if _, err := s.Watch(ids[3], "mia", "Mia"); err != nil {
			t.Errorf("another one after leaving: %v", err)
		}
		for i := range 200 - 6 {
			if _, err := s.Watch(ids[2], policy.PersonID(fmt.Sprint("p", i)), "p"); err != nil {
				t.Fatalf("look %d: %v", i, err)
			}
		}
		if _, err := s.Watch(ids[2], brokertest.Ann, "Ann"); rule(err) != "watches-full" {
			t.Errorf("the 201st look: %v", err)
		}
	})
}
