package dial

import (
	"errors"

	"golang.org/x/crypto/ssh"
)

var errGone = errors.New("the connection ended before the channel was open")

// reached is a target that is logged in to. x/crypto waits for ever for the answer
// to a channel that is opened while the connection comes to its end (ssh.mux.loop
// lets go of all channels before it closes the line, and the new one comes after);
// nothing here may wait for what cannot come.
type reached struct {
	ssh.Conn
	gone chan struct{} // closed once the connection has ended and all its channels were let go of
}

// reach answers what the target asks (deaf) until it has gone.
func reach(c ssh.Conn, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) ssh.Conn {
	r := &reached{c, make(chan struct{})}
	go func() {
		defer close(r.gone)
		deaf(chans, reqs)
	}()
	return r
}

// OpenChannel ends with the connection at the latest.
func (r *reached) OpenChannel(kind string, payload []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	type opened struct {
		ch   ssh.Channel
		reqs <-chan *ssh.Request
		err  error
	}
	ready := make(chan opened, 1)
	go func() {
		defer recovered()
		ch, reqs, err := r.Conn.OpenChannel(kind, payload)
		ready <- opened{ch, reqs, err}
	}()
	select {
	case o := <-ready:
		return o.ch, o.reqs, o.err
	case <-r.gone:
		return nil, nil, errGone // what was open is not any more
	}
}
