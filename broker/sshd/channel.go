package sshd

import (
	glider "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"
)

// counted runs f for a channel that the limits of its connection have room
// for; else the channel is refused, and who goes on asking is closed.
func (d *Door) counted(c *conn, nc ssh.NewChannel, f func(*conn)) {
	if c == nil {
		nc.Reject(ssh.Prohibited, "no connection")
		return
	}
	d.begin()
	defer d.done()
	defer d.caught("channel", c, func() { nc.Reject(ssh.ConnectionFailed, oneLine(errBroke.Say)) }) // what was accepted is closed by who did
	n := c.handlers.Add(1)
	defer c.handlers.Add(-1)
	if !c.opens.Allow() || n > maxHandlers {
		// Somebody who asks on and reads no answer would pile up answers here.
		if c.refused.Add(1) > maxRefusedOpens || n > 2*maxHandlers {
			d.told.refused(c.source, "", "channel-flood", "channel opens over the limit")
			c.Close()
			return
		}
		nc.Reject(ssh.ResourceShortage, "too many channels at once: close some, and try again in a few seconds")
		return
	}
	f(c)
}

// channel serves "session": what it may be depends on who has proven what.
func (d *Door) channel(_ *glider.Server, sc *ssh.ServerConn, nc ssh.NewChannel, ctx glider.Context) {
	d.counted(connOf(ctx), nc, func(c *conn) {
		if who, ok := callerOf(sc).(*vendor); ok && !who.jump {
			d.work(c, sc, nc, who)
			return
		}
		d.beside(c, sc, nc)
	})
}

// beside serves the channels of all who work on no machine in them. It is apart,
// and not inlined, so that it takes nothing from the stack of a shell that waits.
//
//go:noinline
func (d *Door) beside(c *conn, sc *ssh.ServerConn, nc ssh.NewChannel) {
	switch who := callerOf(sc).(type) {
	case joiner, clerk, certifier:
		d.textual(c, nc, who)
	case zoneAgent:
		d.serveAgent(c, sc, nc, who)
	case *vendor:
		d.noShell(nc, who)
	default: // authentication made no caller: nobody is served
		d.told.refused(c.source, "", "no-caller", "a connection without a caller")
		nc.Reject(ssh.Prohibited, "not authenticated")
		c.Close()
	}
}

func (d *Door) noShell(nc ssh.NewChannel, who *vendor) {
	nc.Reject(ssh.Prohibited, "this name is for jumps and forwards: "+d.Clerk.JumpForm(who.claim.Person)+", or use "+d.Clerk.PlusForm(who.claim.Person))
}

// refusals says for each kind of channel what to do instead.
var refusals = map[string]string{
	"direct-streamlocal@openssh.com":    "forwards to sockets on the machine are not carried; work in a shell on the machine instead",
	"forwarded-streamlocal@openssh.com": "forwards of sockets are not carried; leave out the -R option",
	"forwarded-tcpip":                   "remote forwards are not carried; leave out the -R option",
	"tun@openssh.com":                   "network tunnels are not carried; leave out the -w option",
	"x11":                               "X11 is not carried; leave out the -X and -Y options",
	"auth-agent@openssh.com":            "agent forwarding is not carried; leave out the -A option",
}

func (d *Door) otherChannel(_ *glider.Server, sc *ssh.ServerConn, nc ssh.NewChannel, ctx glider.Context) {
	d.counted(connOf(ctx), nc, func(c *conn) {
		d.refuseChannel(c, nc, callerOf(sc), nil)
	})
}

// refuseChannel says no to a kind of channel, in the words of special first.
func (d *Door) refuseChannel(c *conn, nc ssh.NewChannel, who caller, special map[string]string) {
	say, known := special[nc.ChannelType()]
	if !known {
		say, known = refusals[nc.ChannelType()]
	}
	reason := ssh.Prohibited
	if !known {
		say, reason = "this kind of channel is not known here; open a shell or run a command", ssh.UnknownChannelType
	}
	person := ""
	if v, ok := who.(*vendor); ok {
		person = string(v.claim.Person)
	}
	d.told.refused(c.source, person, "channel-type", "channel "+nc.ChannelType())
	nc.Reject(reason, oneLine(say))
}

// global answers requests of the connection: keepalives, and no to the rest.
func (d *Door) global(ctx glider.Context, _ *glider.Server, req *ssh.Request) (bool, []byte) {
	c := connOf(ctx)
	if c == nil {
		return false, nil
	}
	defer d.recovered("global request", c)
	return d.asked(c, req.Type), nil
}

// asked answers one request of a connection, inner ones too.
func (d *Door) asked(c *conn, kind string) bool {
	if !c.requests.Allow() {
		c.Close()
		return false
	}
	switch kind {
	case "keepalive@openssh.com":
		return true
	case "tcpip-forward", "streamlocal-forward@openssh.com":
		d.told.refused(c.source, "", "remote-forward", kind)
		c.note("Remote forwards are not carried: leave out the -R option. If the machine must send you something, fetch it from here.")
	}
	return false
}
