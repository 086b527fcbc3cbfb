package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strconv"
	"time"
)

// askModbus is a second request, for a port that has no accounts.
func (d *show) askModbus(ctx context.Context, n *numbers) error {
	out, err := d.does(ctx, step{who: "ann", want: requestNumber,
		say:  "Her engineering tool speaks Modbus too. Penstock reads along in it, so she asks for what she needs: to look, and to set values within the plant's register sheet.",
		line: asks("ann") + "desk@broker request \\\n    --target filler-plc:modbus --rights look,set --minutes 30 \\\n    --work-order WO-4711 --why " + shell("Compare the registers")})
	n.modbus.request = requestNumber.FindString(out.text)
	return err
}

// walkModbus uses the second window, which the same certificate names.
func (d *show) walkModbus(ctx context.Context, n *numbers) error {
	if err := d.forwarded(ctx); err != nil {
		return err
	}
	_, err := d.does(ctx, step{who: "mia", line: "penstock end " + n.modbus.window + " --as mia", want: regexp.MustCompile(`ended`), say: "Seen. Mia ends that window; the other goes on."})
	return err
}

// forwarded reads the controller through ssh -L, which is ended again.
func (d *show) forwarded(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	tunnel := step{who: "ann", line: fmt.Sprintf("%s-N -o ExitOnForwardFailure=yes \\\n    -L %d:filler-plc:502 broker", asks("ann"), port),
		say: "A forward by name, never by address. It stays in another terminal while the tool runs."}
	d.tell(tunnel)
	session, hangUp := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		out, err := d.run(session, tunnel)
		ended <- fmt.Errorf("the forward ended by itself: %w: %s", err, out.text)
	}()
	stop := func() {
		hangUp()
		<-ended
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := answers(ctx, address, ended); err != nil {
		stop()
		return err
	}
	defer stop()
	if _, err := d.does(ctx, step{who: "ann", line: "penstock demo registers " + address, want: regexp.MustCompile(`40012 +Fill volume +812 ml`),
		say: "Every byte of both directions is in the recording, and every operation is a row beside them."}); err != nil {
		return err
	}
	_, err = d.does(ctx, step{who: "ann", line: "penstock demo registers " + address + " --fill-volume 1200", code: 1, want: regexp.MustCompile(`illegal data value`),
		say: "The sheet says 0 to 1000 ml. The no is the protocol's own, and the controller has seen nothing of it."})
	return err
}

// answers waits until somebody listens there; another program's listening can
// only be asked for.
func answers(ctx context.Context, address string, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case e := <-ended:
			return errors.Join(e, errors.New("no forward"))
		case <-ctx.Done():
			return fmt.Errorf("wait for the forward: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// freePort is a port for ssh, which cannot be handed a listener. It is below those
// that systems take for connections that go out (32768 on Linux, 49152 elsewhere),
// so that none of those gets it before ssh does.
func freePort() (int, error) {
	var err error
	for range 100 {
		var l net.Listener
		port := 10_000 + rand.IntN(20_000)
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}
