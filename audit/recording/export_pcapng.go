package recording

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

const (
	modbusPort   = 502
	mergeWithin  = 5 * time.Millisecond // bytes of one direction that were relayed in pieces
	largestPart  = 32 << 10             // payload of one packet, bytes
	unseenMost   = 64 << 10             // bytes in flight before the other side acknowledges
	windowScale  = 7                    // RFC 7323; both sides offer 65535 << 7
	longestWords = 1000                 // of a packet's comment, runes

	capturedAs = "TCP and IP headers are synthesised by Penstock from a recording: payload and times are as relayed, addresses are the vendor's and the machine's. " +
		"There are no real retransmissions, window sizes or segment borders in here."
)

// ExportPcapng writes one recorded TCP stream as pcapng
// (draft-ietf-opsawg-pcapng; LINKTYPE_RAW, nanoseconds) that Wireshark
// dissects. It holds both directions, with or without WithInput: a stream has
// no prompt without echo. Same-direction bytes less than 5 ms apart stand in one
// packet, on port 502 cut where a Modbus/TCP unit ends. Notes of Penstock are
// comments of packets. A channel that is no TCP stream is an error; so is a torn
// recording, io.ErrUnexpectedEOF, after all of it that is whole was written.
func ExportPcapng(w io.Writer, r *Reader, ch int, _ ...ExportOption) error {
	frames, err := oneChannel(r, ch)
	if err != nil {
		return err
	}
	c := &capture{started: r.Header().Started, title: fmt.Sprintf("%s channel %d, %s of %s", r.Header().Session, ch, r.Header().Person, r.Header().Firm)}
	for f, ferr := range frames {
		if ferr != nil {
			err = ferr
			break
		}
		if err := c.frame(w, f); err != nil {
			return fmt.Errorf("export pcapng of channel %d: %w", ch, err)
		}
	}
	if c.out == nil {
		return errors.Join(err, fmt.Errorf("export pcapng: channel %d holds no TCP stream that was let through; export it as text or asciicast", ch))
	}
	return c.close(err)
}

// capture is one export at work.
type capture struct {
	out     *pcapgo.NgWriter
	failed  error // of the first write
	started time.Time
	title   string

	vendor, target side
	modbus         bool
	connected      bool
	now            time.Duration // of the frame at hand
	last           time.Duration // of the newest packet: times never run backwards
	words          []string      // comments for the next packet
}

// side is one end of the stream.
type side struct {
	at      netip.AddrPort
	other   *side
	seq     uint32 // of its next byte
	acked   uint32 // what it has acknowledged of the other's
	fin     bool
	pending []byte
	from    time.Duration // of pending's newest byte
}

func (c *capture) frame(w io.Writer, f Frame) error {
	c.now = f.At
	if f.Mark == Request && c.out == nil {
		return c.request(w, f.Data)
	}
	if c.out == nil {
		return nil
	}
	switch f.Mark {
	case In:
		c.data(&c.vendor, f.Data)
	case Out:
		c.data(&c.target, f.Data)
	case EOF:
		c.connect()
		if string(f.Data) == "in" {
			c.finish(&c.vendor)
		} else {
			c.finish(&c.target)
		}
	case Note:
		c.say(string(f.Data))
		if strings.HasPrefix(string(f.Data), ConnectedNote) {
			c.connect()
		}
	case Request:
		c.say("asked: " + string(f.Data))
	}
	return c.failed
}

// ConnectedNote begins the note that stands in a TCP stream's recording once
// the machine has answered.
const ConnectedNote = "connected to "

// request takes the stream's ends from the frame that let it through.
func (c *capture) request(w io.Writer, data []byte) error {
	var q struct {
		Kind    string `json:"kind"`
		Allowed bool   `json:"allowed"`
		Rule    string `json:"rule"`
		Source  string `json:"source"`
		Target  string `json:"target"`
	}
	if json.Unmarshal(data, &q) != nil || q.Kind != "direct-tcpip" || !q.Allowed {
		return nil
	}
	source, err := netip.ParseAddrPort(q.Source)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	target, err := netip.ParseAddrPort(q.Target)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	c.vendor.at, c.target.at = plainAddr(source), plainAddr(target)
	c.vendor.other, c.target.other = &c.target, &c.vendor
	if c.vendor.at.Addr().Is4() != c.target.at.Addr().Is4() { // one packet has one kind of address
		c.vendor.at, c.target.at = sixteen(c.vendor.at), sixteen(c.target.at)
	}
	c.modbus = target.Port() == modbusPort
	c.say(fmt.Sprintf("%s; let through by rule %s", c.title, q.Rule))
	c.out, err = pcapgo.NewNgWriterInterface(w, pcapgo.NgInterface{Name: "penstock", Description: c.title, LinkType: layers.LinkTypeRaw, TimestampResolution: 9},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "Penstock", Comment: capturedAs}})
	return err
}

func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

func sixteen(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

// connect makes the three packets that open a connection, once.
func (c *capture) connect() {
	if c.connected {
		return
	}
	c.connected = true
	c.packet(&c.vendor, layers.TCP{SYN: true}, nil)
	c.packet(&c.target, layers.TCP{SYN: true, ACK: true}, nil)
	c.packet(&c.vendor, layers.TCP{ACK: true}, nil)
}

// data takes bytes of one direction in. On port 502 whole units go out at once
// and what is not whole waits; elsewhere bytes wait for more of the same
// direction. Nothing waits for longer than mergeWithin.
func (c *capture) data(s *side, p []byte) {
	c.connect()
	for _, one := range []*side{s, s.other} {
		if len(one.pending) > 0 && (c.now-one.from >= mergeWithin || one != s && !c.modbus) {
			c.flush(one)
		}
	}
	s.pending, s.from = append(s.pending, p...), c.now
	for c.modbus && len(s.pending) > 0 {
		n, whole := unit(s.pending)
		if !whole {
			break
		}
		c.send(s, s.pending[:n])
		s.pending = s.pending[n:]
	}
	if n := len(s.pending) / largestPart * largestPart; n > 0 {
		c.send(s, s.pending[:n])
		s.pending = s.pending[n:]
	}
}

// unit is the length of the Modbus/TCP unit at the start of p (MODBUS Messaging
// on TCP/IP V1.0b, 3.1.3: transaction, protocol 0, length of what follows).
// What is no such header counts as whole: it is shown as it is.
func unit(p []byte) (n int, whole bool) {
	if len(p) < 6 {
		return len(p), false
	}
	length := int(binary.BigEndian.Uint16(p[4:]))
	if binary.BigEndian.Uint16(p[2:]) != 0 || length < 2 || length > 254 {
		return len(p), true
	}
	return 6 + length, len(p) >= 6+length
}

// flush sends what waits, at the time of its newest byte.
func (c *capture) flush(s *side) {
	now := c.now
	defer func() { c.now = now }()
	c.now = s.from
	c.send(s, s.pending)
	s.pending = nil
}

func (c *capture) send(s *side, p []byte) {
	for len(p) > 0 {
		n := min(len(p), largestPart)
		c.packet(s, layers.TCP{ACK: true, PSH: true}, p[:n])
		if s.seq-s.other.acked > unseenMost {
			c.packet(s.other, layers.TCP{ACK: true}, nil)
		}
		p = p[n:]
	}
}

// finish is the end of file of one side, and the other's acknowledgement.
func (c *capture) finish(s *side) {
	c.flush(s)
	if s.fin {
		return
	}
	s.fin = true
	c.packet(s, layers.TCP{FIN: true, ACK: true}, nil)
	c.packet(s.other, layers.TCP{ACK: true}, nil)
}

// close sends what waits, and the end of file of both sides where the frames
// came to an end well.
func (c *capture) close(err error) error {
	c.flush(&c.target)
	c.flush(&c.vendor)
	if c.connected && err == nil {
		c.finish(&c.vendor)
		c.finish(&c.target)
	}
	return errors.Join(err, c.failed, c.out.Flush())
}

// say keeps a comment for the next packet.
func (c *capture) say(text string) {
	n := 0
	text = strings.Map(func(r rune) rune {
		if n++; n > longestWords {
			return -1
		}
		if !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, valid([]byte(text)))
	if text != "" && len(c.words) < 16 {
		c.words = append(c.words, text)
	}
}

// packet writes one, with flags as given and everything else as it must be.
func (c *capture) packet(s *side, tcp layers.TCP, payload []byte) {
	if c.failed != nil {
		return
	}
	tcp.SrcPort, tcp.DstPort = layers.TCPPort(s.at.Port()), layers.TCPPort(s.other.at.Port())
	tcp.Seq, tcp.Window = s.seq, 65535
	if tcp.SYN {
		tcp.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{windowScale}}}
	}
	if tcp.ACK {
		tcp.Ack, s.acked = s.other.seq, s.other.seq
	}
	s.seq += uint32(len(payload))
	if tcp.SYN || tcp.FIN {
		s.seq++
	}
	c.last = max(c.last, c.now)
	if c.failed = c.write(s, &tcp, payload); c.failed == nil {
		c.words = nil
	}
}

func (c *capture) write(s *side, tcp *layers.TCP, payload []byte) error {
	from, to := s.at.Addr(), s.other.at.Addr()
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	if from.Is4() {
		ip = &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolTCP, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
	} else {
		ip = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolTCP, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
	}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		return err
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, tcp, gopacket.Payload(payload))
	if err != nil {
		return fmt.Errorf("make a packet: %w", err)
	}
	b := buf.Bytes()
	return c.out.WritePacketWithOptions(gopacket.CaptureInfo{Timestamp: c.started.Add(c.last), CaptureLength: len(b), Length: len(b)}, b, pcapgo.NgPacketOptions{Comments: c.words})
}
