package durable_test

import (
	"testing"
	"testing/synctest"
	"time"

	"penstock/audit/durable"
)

func TestLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, fired := time.Now(), make(chan time.Duration, 2)
		durable.Lapse(2*time.Second, func() { fired <- time.Since(begun) })
		stop := durable.Lapse(2*time.Second, func() { t.Error("it was stopped") })
		time.Sleep(1999 * time.Millisecond)
		stop()
		if took := <-fired; took != 2*time.Second {
			t.Errorf("it lapsed after %v", took)
		}
		time.Sleep(time.Minute)
		if len(fired) > 0 {
			t.Error("it lapsed twice")
		}
	})
}
