package connect

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	aliveIn     = 15 * time.Second // between questions whether the broker is there
	aliveMisses = 3
)

// heard is an SSH connection with the line below it.
type heard struct {
	ssh.Conn
	line *counted
	gone chan struct{} // closed once the connection has ended
}

var errGone = errors.New("the connection ended before the channel was open")

// OpenChannel ends with the connection at the latest: x/crypto waits for ever for
// the answer to a channel that is opened while the connection comes to its end.
func (h heard) OpenChannel(kind string, payload []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	type opened struct {
		ch   ssh.Channel
		reqs <-chan *ssh.Request
		err  error
	}
	ready := make(chan opened, 1)
	go func() {
		ch, reqs, err := h.Conn.OpenChannel(kind, payload)
		ready <- opened{ch, reqs, err}
	}()
	select {
	case o := <-ready:
		return o.ch, o.reqs, o.err
	case <-h.gone:
		return nil, nil, errGone
	}
}

// counted counts what comes: who sends is there.
type counted struct {
	net.Conn
	n atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// NewClientConn is ssh.NewClientConn for a connection that Alive is asked about,
// and on which no channel is waited for that cannot come.
func NewClientConn(line net.Conn, addr string, config *ssh.ClientConfig) (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	from := &counted{Conn: line}
	c, chans, reqs, err := ssh.NewClientConn(from, addr, config)
	if err != nil {
		return nil, nil, nil, err
	}
	h := heard{c, from, make(chan struct{})}
	go func() {
		_ = c.Wait() // it says why it ended to whoever asks
		close(h.gone)
	}()
	return h, chans, reqs, nil
}

// Alive asks the other end every 15 s whether it is there, and closes a connection
// on which, so many more times, neither an answer has come nor anything else: over
// a narrow line the question may stand behind what is being sent. The function ends it.
func Alive(c ssh.Conn, misses int) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(aliveIn)
		defer tick.Stop()
		q := question{c: c, answered: make(chan error, 1)}
		for {
			select {
			case <-done:
				return
			case err := <-q.answered:
				if err != nil {
					c.Close()
					return
				}
				q.asking, q.missed = false, 0
			case <-tick.C:
				if q.due(); q.missed >= misses {
					c.Close()
					return
				}
			}
		}
	}()
	return func() { close(done) }
}

// question is whether the other end is there; one is under way at most.
type question struct {
	c        ssh.Conn
	answered chan error
	asking   bool
	missed   int   // times that it was due again, and nothing had come
	came     int64 // bytes, when it was due last
}

func (q *question) due() {
	before := q.came
	if h, ok := q.c.(heard); ok {
		q.came = h.line.n.Load()
	}
	switch {
	case !q.asking:
		q.asking = true
		go func() {
			_, _, err := q.c.SendRequest("keepalive@openssh.com", true, nil)
			q.answered <- err
		}()
	case q.came == before:
		q.missed++
	default:
		q.missed = 0
	}
}
