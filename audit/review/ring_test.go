package review

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestAKeyIsWipedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r ring
		at := sitting{"here", "S-1"}
		give := func(at sitting) error {
			_, err := r.put(at, bytes.Repeat([]byte{7}, 32))
			return err
		}
		if err := give(at); err != nil {
			t.Fatal(err)
		}
		held := r.keys[at].key
		time.Sleep(UnsealedFor / 2)
		if err := give(at); err != nil { // once more: the first one's time is over, this one's is not
			t.Fatal(err)
		}
		again := r.keys[at].key
		time.Sleep(UnsealedFor/2 + time.Second)
		if r.copy(at) == nil {
			t.Error("the second key went with the first one's time")
		}
		time.Sleep(UnsealedFor / 2)
		if r.copy(at) != nil || len(r.keys) != 0 {
			t.Error("it is still there")
		}
		for _, k := range [][]byte{held, again} {
			if !bytes.Equal(k, make([]byte, 32)) {
				t.Error("a key was not wiped")
			}
		}
		for i := range mostOfOne {
			if err := give(sitting{"here", fmt.Sprint("S-", i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := give(sitting{"here", "S-more"}); !errors.Is(err, ErrTooMany) {
			t.Errorf("one more than may be: %v", err)
		}
		if err := give(sitting{"there", "S-1"}); err != nil {
			t.Errorf("another sign-in: %v", err)
		}
	})
}
