package dial_test

import (
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/ssh"

	"penstock/broker/dial"
)

// dying is a connection as x/crypto's is at the moment of its end: the channel
// that is opened then is never answered, and closing changes nothing.
type dying struct {
	ssh.Conn
	over chan struct{} // of the test, so that nothing is left behind
}

func (d dying) OpenChannel(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	<-d.over
	return nil, nil, nil
}

func TestNoChannelIsWaitedForOnADeadConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over, chans, reqs := make(chan struct{}), make(chan ssh.NewChannel), make(chan *ssh.Request)
		defer close(over)
		c := dial.Reach(dying{over: over}, chans, reqs)
		said := make(chan error, 1)
		go func() {
			_, _, err := c.OpenChannel("session", nil)
			said <- err
		}()
		synctest.Wait()
		select {
		case err := <-said:
			t.Fatalf("the connection lives, and the answer is %v", err)
		default:
		}
		close(chans)
		close(reqs)
		if err := <-said; err == nil {
			t.Error("a channel on a dead connection")
		}
	})
}
