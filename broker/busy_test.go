package broker_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"penstock/broker"
	"penstock/broker/brokertest"
)

func told(all []broker.Busy) string {
	var words []string
	for _, b := range all {
		words = append(words, fmt.Sprintf("%s/%d %s", b.Session, b.Channel, b.What))
	}
	return strings.Join(words, "; ")
}

func TestWhatIsHalfDoneInAWindow(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		ses, a := s.shell(t)
		b := s.open(t, ses, brokertest.Shell(brokertest.Maint))
		if all := s.Busy("W-1"); all != nil {
			t.Fatalf("at first: %v", all)
		}
		upload := b.Busy("upload of recipe.bin")
		second := a.Busy("download of fil1.log")
		if got := told(s.Busy("W-1")); got != "S-1/0 download of fil1.log; S-1/1 upload of recipe.bin" {
			t.Errorf("two are busy: %s", got)
		}
		if all := s.Busy("W-2"); all != nil {
			t.Errorf("of another window: %v", all)
		}
		second()
		second()
		if got := told(s.Busy("W-1")); got != "S-1/1 upload of recipe.bin" {
			t.Errorf("one is done: %s", got)
		}
		b.Close("", nil)
		if all := s.Busy("W-1"); all != nil {
			t.Errorf("the channel is closed: %v", all)
		}
		upload()
		b.Busy("too late")
		if all := s.Busy("W-1"); all != nil {
			t.Errorf("after the end: %v", all)
		}
	})
}

func TestBusyIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *scene) {
		_, c := s.shell(t)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 50 {
					done := c.Busy(strings.Repeat("ä", 4000))
					if len(s.Busy("W-1")) > 64 {
						t.Error("more than 64 are kept")
					}
					_ = done
				}
			})
		}
		all.Wait()
		list := s.Busy("W-1")
		if len(list) != 64 || len(list[0].What) > 600 {
			t.Errorf("%d are kept, of %d bytes", len(list), len(list[0].What))
		}
	})
}
