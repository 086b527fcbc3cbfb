package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	maxStreams = 32               // of one listener at once: the broker's own bound is of that size
	patience   = 20 * time.Second // of a local program, while the line is down
	tries      = 40               // of numbers for a local port, before any will do
)

// BrokenRequest is what the broker says in a stream's channel before it closes
// one that broke: SSH has no reset (RFC 4254, 5.3 ends a channel in one way
// only). Clients that do not know it pass it over.
const BrokenRequest = "broken@penstock"

// way is one port of a window, and where it is on this computer.
type way struct {
	target
	accounts []string // of an ssh port
	windows  []string
	local    uint16 // the first number to try
	device   bool   // on the machine's own address too
}

// waysOf are the ports of the windows, each once, in an order and with wished
// numbers that are the same in every call.
func waysOf(windows []window, device bool) (all []way) {
	at := map[string]int{}
	for _, w := range windows {
		for _, t := range w.Targets {
			if t.Number == 0 || t.Asset == "" {
				continue // no longer in the plant file
			}
			key := t.Asset + " " + t.Port
			i, there := at[key]
			if !there {
				i = len(all)
				at[key] = i
				all = append(all, way{target: t, local: wished(t.Number), device: device})
			}
			if t.Account != "" && !slices.Contains(all[i].accounts, t.Account) {
				all[i].accounts = append(all[i].accounts, t.Account)
			}
			all[i].windows = append(all[i].windows, w.Window)
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].Asset != all[j].Asset {
			return all[i].Asset < all[j].Asset
		}
		return all[i].Port < all[j].Port
	})
	return all
}

// wished is the local number of a port: as "desk windows" writes it for ssh -L.
func wished(n uint16) uint16 {
	for n < 1024 { // only root has it
		n += 1000
	}
	return n
}

// listener is an open port on this computer.
type listener struct {
	l    net.Listener
	take func(context.Context, net.Conn)
}

// listen opens every way on this computer, or none.
func (v *visit) listen(ctx context.Context, socks string) (open []*listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range open {
				l.l.Close()
			}
		}
	}()
	for _, w := range v.ways {
		l, err := local(w.local)
		if err != nil {
			return open, stop(ExitError, "no port on this computer is free for %s: %v", w.Asset, err)
		}
		open = append(open, &listener{l, func(ctx context.Context, c net.Conn) { v.stream(ctx, c, w) }})
		v.table(w, l.Addr().String())
		if w.device {
			if l := v.onDevice(w); l != nil {
				open = append(open, &listener{l, func(ctx context.Context, c net.Conn) { v.stream(ctx, c, w) }})
			}
		}
	}
	if socks != "" {
		l, err := net.Listen("tcp", socks)
		if err != nil {
			return open, stop(ExitError, "--socks: %v; another port is free perhaps", err)
		}
		open = append(open, &listener{l, v.socks})
		v.say.line("socks", "SOCKS5  "+l.Addr().String()+"  by name or by the machine's own address, to the ports above alone", map[string]any{"local": l.Addr().String()})
	}
	v.say.line("ready", "ready; Ctrl-C ends it", nil)
	return open, nil
}

// local listens on the wished number, the same with 1000 more, and so on; then on any.
func local(n uint16) (net.Listener, error) {
	for i := range tries {
		p := int(n) + 1000*i
		if p > 65535 {
			break
		}
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p)); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// table says where a way is.
func (v *visit) table(w way, at string) {
	detail := map[string]any{"asset": w.Asset, "port": w.Port, "local": at, "windows": w.windows}
	text := fmt.Sprintf("%-28s %s", w.Asset+":"+w.Port, at)
	if w.Port == "ssh" {
		_, n, _ := net.SplitHostPort(at)
		var typed []string
		for _, a := range w.accounts {
			line := v.sshLine(w, a, n)
			text += "\n    " + line
			typed = append(typed, line)
		}
		detail["type"] = typed
	}
	v.say.line("listening", text, detail)
}

// sshLine logs in through a local port with stock ssh: the name of the machine
// is what its certificate is held to, and the key is the one that came here.
func (v *visit) sshLine(w way, account, n string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	words := []string{"ssh", "-p", n, "-o", "HostKeyAlias=" + w.Host}
	if v.cert.file != "" {
		words = append(words, "-i", quoted(runtime.GOOS, v.cert.key.file))
	}
	return strings.Join(append(words, account+"@127.0.0.1"), " ")
}

// onDevice listens on the machine's own address, where this computer has it;
// else it says what gives it to the computer, and goes on without.
func (v *visit) onDevice(w way) net.Listener {
	addr, err := netip.ParseAddr(w.Address)
	if err != nil || w.TCP == 0 {
		return nil
	}
	at := netip.AddrPortFrom(addr, w.TCP).String()
	l, err := net.Listen("tcp", at)
	if err == nil {
		v.say.line("listening", fmt.Sprintf("%-28s %s  (the machine's own address, on this computer)", w.Asset+":"+w.Port, at),
			map[string]any{"asset": w.Asset, "port": w.Port, "local": at, "windows": w.windows})
		return l
	}
	text, typed := notThere(runtime.GOOS, w, netip.AddrPortFrom(addr, w.TCP), err)
	v.say.line("no-device-address", text, map[string]any{"asset": w.Asset, "port": w.Port, "address": at, "type": typed})
	return nil
}

// notThere says why a machine's own address is not listened on, and what to do.
func notThere(system string, w way, at netip.AddrPort, err error) (text string, typed []string) {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	text = fmt.Sprintf("%s:%s is not here as %s (%v).\n    ", w.Asset, w.Port, at, err)
	mine, _ := net.InterfaceAddrs() // unknown: as if it were not there
	if hasAddress(system, at.Addr(), mine) {
		text += "This computer has the address, but does not give the port. "
		if system == "linux" && at.Port() < 1024 {
			text += fmt.Sprintf("Ports below 1024 take: sudo sysctl net.ipv4.ip_unprivileged_port_start=%d\n    ", at.Port())
		}
		return text + whoHolds(system, at), nil
	}
	give, take := aliasLines(system, at.Addr())
	as := ""
	if system == "windows" {
		as = ", in a window opened as administrator"
	}
	text += fmt.Sprintf("Give this computer the address%s, start again, and take it away afterwards:\n    %s\n    %s", as, give, take)
	if system == "linux" && at.Port() < 1024 {
		text += fmt.Sprintf("\n    and for ports below 1024: sudo sysctl net.ipv4.ip_unprivileged_port_start=%d", at.Port())
	}
	return text, []string{give, take}
}

// ownComputer says whether a program of this computer connects: from a loopback
// address, or from the very address that it connects to.
func ownComputer(c net.Conn) bool {
	from, ok := c.RemoteAddr().(*net.TCPAddr)
	to, ok2 := c.LocalAddr().(*net.TCPAddr)
	return ok && ok2 && (from.IP.IsLoopback() || from.IP.Equal(to.IP))
}

// stream carries one local connection through a way.
func (v *visit) stream(ctx context.Context, c net.Conn, w way) {
	s, err := v.reach(ctx, w, c.RemoteAddr())
	if err != nil {
		v.refused(w, err)
		reset(c)
		return
	}
	v.pump(ctx, c, s, w)
}

func (v *visit) refused(w way, err error) {
	v.say.line("refused", w.Asset+":"+w.Port+": "+why(err), map[string]any{"asset": w.Asset, "port": w.Port})
}

// opened is a stream that the broker lets through.
type opened struct {
	ssh.Channel
	link *ssh.Client
	gone chan struct{} // closed when the broker has closed it
	cut  atomic.Bool   // the broker says that it broke
}

func (v *visit) pump(ctx context.Context, c net.Conn, s *opened, w way) {
	v.say.opened(1)
	defer v.say.opened(-1)
	from := func() ([]byte, error) {
		b, err := first(c, w)
		if no, ok := errors.AsType[strange](err); ok {
			v.refused(w, no)
		}
		return b, err
	}
	pump(ctx, c, s, from, s.gone, s.whole)
}

// whole says whether an end of file was the machine's own: a stream that the
// broker closed because it broke, or whose line broke, ends the same way.
func (s *opened) whole() bool {
	if _, err := s.SendRequest("keepalive@openssh.com", true, nil); err == nil {
		return true // it stands: only one direction has ended
	}
	<-s.gone
	if s.cut.Load() {
		return false
	}
	_, _, err := s.link.SendRequest("keepalive@openssh.com", true, nil)
	return err == nil
}

// reach opens a stream to a port of the window.
func (v *visit) reach(ctx context.Context, w way, from net.Addr) (*opened, error) {
	link, err := v.linked(ctx, patience)
	if err != nil {
		return nil, err
	}
	wish := struct { // RFC 4254, 7.2
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}{w.Asset, uint32(w.Number), "127.0.0.1", 0}
	if a, ok := from.(*net.TCPAddr); ok {
		wish.OriginPort = uint32(a.Port)
	}
	ch, reqs, err := link.OpenChannel("direct-tcpip", ssh.Marshal(wish))
	if err != nil {
		return nil, err
	}
	s := &opened{Channel: ch, link: link, gone: make(chan struct{})}
	go func() {
		defer close(s.gone)
		for r := range reqs {
			if r.Type == BrokenRequest {
				s.cut.Store(true)
			}
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	}()
	return s, nil
}

// why is the broker's sentence for a stream that was not opened.
func why(err error) string {
	var no *ssh.OpenChannelError
	if errors.As(err, &no) {
		return clean(no.Message)
	}
	return clean(err.Error())
}

// pump relays both ways, half-closes kept, until both have ended, the broker
// has closed the stream, or ctx ends. A stream that broke is reset for the
// local program, so that it takes no half answer for a whole one; whole says
// whether an end of file was the machine's, and not that of the line. from reads
// what the program says first.
func pump(ctx context.Context, c net.Conn, ch ssh.Channel, from func() ([]byte, error), gone <-chan struct{}, whole func() bool) {
	var both sync.WaitGroup
	var broken atomic.Bool
	out, finished := make(chan struct{}), make(chan struct{})
	both.Go(func() { // to the machine
		if err := toMachine(ch, c, from); err != nil {
			ch.Close()
			return
		}
		_ = ch.CloseWrite() // a machine that has gone has had its fill
	})
	both.Go(func() { // to the program
		defer close(out)
		if _, err := io.Copy(c, ch); err != nil || !whole() {
			broken.Store(true)
			ch.Close()
		} else if w, ok := c.(interface{ CloseWrite() error }); ok {
			_ = w.CloseWrite()
		}
	})
	go func() { both.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-gone:
		<-out // what had come still goes to the program; what it would still say, nobody hears
	case <-ctx.Done():
		broken.Store(true)
	}
	ch.Close()
	if broken.Load() {
		reset(c)
	} else {
		c.Close()
	}
	<-finished
}

// toMachine gives the machine what the program says, to its end of file.
func toMachine(ch io.Writer, c io.Reader, from func() ([]byte, error)) error {
	b, err := from()
	if len(b) > 0 {
		if _, err := ch.Write(b); err != nil {
			return err
		}
	}
	if err == nil {
		_, err = io.Copy(ch, c)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// reset closes a connection with RST: the program sees that it broke.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	c.Close()
}
