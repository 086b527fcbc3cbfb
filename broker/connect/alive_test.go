package connect

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

// mute is a connection on which no answer comes.
type mute struct {
	ssh.Conn
	closed chan struct{}
}

func (m mute) SendRequest(string, bool, []byte) (bool, []byte, error) {
	<-m.closed
	return false, nil, errors.New("closed")
}

func (m mute) Close() error { close(m.closed); return nil }

// A question that stands behind what is being sent for ten minutes ends nothing while
// anything comes; where nothing does, three more are waited for.
func TestANarrowLineIsNotADeadOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mute{closed: make(chan struct{})}
		line := &counted{}
		stop := Alive(heard{Conn: m, line: line}, 3)
		defer stop()
		for range 60 {
			time.Sleep(10 * time.Second)
			line.n.Add(1)
		}
		select {
		case <-m.closed:
			t.Fatal("a line on which something comes was closed")
		default:
		}
		begun := time.Now()
		<-m.closed
		if took := time.Since(begun); took < 2*aliveIn || took > 5*aliveIn {
			t.Errorf("a dead line was closed after %v", took)
		}
	})
}
