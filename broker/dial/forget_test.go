package dial_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker/brokertest"
	"penstock/broker/dial"
	"penstock/policy"
)

// lending gives keys, and says when nobody has one any more.
type lending struct {
	dial.Signer
	back chan struct{}
}

type lent struct{ ssh.Signer }

func (l lending) SignTarget(ctx context.Context, principal, keyID string, s policy.SessionID, channel int) (ssh.Signer, error) {
	made, err := l.Signer.SignTarget(ctx, principal, keyID, s, channel)
	if err != nil {
		return nil, err
	}
	one := &lent{made}
	runtime.AddCleanup(one, func(back chan struct{}) { close(back) }, l.back)
	return one, nil
}

// What the broker has logged in with is not held for as long as the connection
// stays: neither its memory, nor what could be read out of it.
func TestAKeyIsLetGoOfAfterTheLogin(t *testing.T) {
	s, _ := newStage(t, nil)
	back := make(chan struct{})
	s.dialer.CA = lending{s.dialer.CA, back}
	conn, err := s.dialer.SSH(t.Context(), s.channel, brokertest.Maint)
	if err != nil {
		t.Fatal(err)
	}
	late := time.After(20 * time.Second)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		runtime.GC()
		select {
		case <-back:
			_ = conn.Close() // the rig may have ended it first
			return
		case <-late:
			t.Fatal("the key is still held")
		case <-poll.C:
		}
	}
}
