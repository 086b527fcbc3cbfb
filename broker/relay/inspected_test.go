package relay_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/relay"
	"penstock/policy"
	protocol "penstock/policy/inspect"
	"penstock/policy/inspect/modbus"
)

// inspected is a stream through an inspector: a client's socket, a machine's
// socket, and the pumps between them.
type inspected struct {
	*brokertest.Rig
	session *broker.Session
	channel *broker.Channel
	stream  *relay.Inspected
	plant   *policy.Plant
	mu      *sync.Mutex // of plant

	client, machine net.Conn
	near            net.Conn // the client's other end
	in, out         chan error
}

func inspect(t *testing.T, rights policy.Rights, only ...string) *inspected {
	t.Helper()
	brokertest.Inspected = true
	plant := brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 5020, pin)
	brokertest.Inspected = false
	s := &inspected{Rig: brokertest.New(t, plant, broker.Limits{}), plant: plant, mu: &sync.Mutex{}, in: make(chan error, 1), out: make(chan error, 1)}
	s.Agreement.Put(brokertest.W1, time.Now(), time.Hour, func(f *policy.Facts) {
		f.Window.Rights = rights
		if only != nil {
			f.Window.Only = []policy.Only{{Asset: brokertest.PLC, Port: "modbus", Registers: only}}
		}
	})
	s.session = s.Session(t, &brokertest.Guest{})
	s.channel = s.Channel(t, s.session, brokertest.Modbus())
	var err error
	s.stream, err = relay.Inspect(s.channel, func() *policy.Plant { s.mu.Lock(); defer s.mu.Unlock(); return s.plant }, modbus.New)
	if err != nil {
		t.Fatal(err)
	}
	s.channel.Finally(func(string) {
		if err := s.stream.Summary(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// start pumps until both directions have ended.
func (s *inspected) start(t *testing.T) *inspected {
	t.Helper()
	var target net.Conn
	s.near, s.client = pipe(t)
	target, s.machine = pipe(t)
	go func() {
		err := s.stream.ToTarget(s.channel.Context(), target, s.near)
		_ = target.(*net.TCPConn).CloseWrite()
		s.in <- err
	}()
	go func() {
		err := s.stream.ToVendor(s.channel.Context(), s.near, target)
		_ = s.near.(*net.TCPConn).CloseWrite()
		s.out <- err
	}()
	return s
}

// finish ends the client's side well and gives what each direction said.
func (s *inspected) finish(t *testing.T) (in, out error) {
	t.Helper()
	s.client.(*net.TCPConn).CloseWrite()
	in = <-s.in
	s.machine.Close()
	out = <-s.out
	s.channel.Close("", nil)
	return in, out
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// adu is a frame to unit 1.
func adu(t testing.TB, transaction uint16, pdu string) []byte {
	t.Helper()
	p := unhex(t, pdu)
	b := binary.BigEndian.AppendUint16(nil, transaction)
	b = append(b, 0, 0, 0, byte(len(p)+1), 1)
	return append(b, p...)
}

// What is decided together is written in one go, which nobody can stop: no more
// than the 32 KiB that Through takes, however long the requests are.
func TestABatchIsOneStep(t *testing.T) {
	long, short := protocol.Request{Forward: make([]byte, 4103)}, protocol.Request{Forward: make([]byte, 12)}
	for n, all := range map[int][]protocol.Request{7: slices.Repeat([]protocol.Request{long}, 16), 16: slices.Repeat([]protocol.Request{short}, 40), 1: {long}} {
		if got := relay.Together(all, relay.MostWaiting); got != n {
			t.Errorf("%d of %d requests go together, want %d", got, len(all), n)
		}
	}
}

// says writes bytes, and expects that the other end reads others.
func says(t *testing.T, from, to net.Conn, sent, want []byte) {
	t.Helper()
	if _, err := from.Write(sent); err != nil {
		t.Fatal(err)
	}
	expect(t, to, want)
}

func expect(t *testing.T, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%x, %v; want %x", got, err, want)
	}
}

func (s *inspected) rows(t *testing.T) (all []recording.Operation) {
	t.Helper()
	r, err := s.Archive.Open(string(s.session.ID()))
	if err != nil {
		t.Fatal(err)
	}
	for f, err := range r.Frames(0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Mark != recording.Did {
			continue
		}
		o, err := recording.ParseOperation(f.Data)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := audit.Canonical(o); err != nil || !bytes.Equal(again, f.Data) {
			t.Errorf("%s is not canonical: %s", f.Data, again)
		}
		all = append(all, o)
	}
	return all
}

// Look only, enforced: a read passes, a write comes back with the machine's own
// exception, and the machine has seen nothing of it.
func TestWhoMayOnlyLookReadsAndCannotWrite(t *testing.T) {
	s := inspect(t, policy.Look).start(t)
	read, write := adu(t, 1, "03 000B 0001"), adu(t, 2, "06 000B 0064")
	says(t, s.client, s.machine, read, read)
	says(t, s.machine, s.client, adu(t, 1, "03 02 012C"), adu(t, 1, "03 02 012C"))
	says(t, s.client, s.client, write, adu(t, 2, "86 01"))
	read[1] = 3
	says(t, s.client, s.machine, read, read) // the next that the machine sees
	says(t, s.machine, s.client, adu(t, 3, "83 02"), adu(t, 3, "83 02"))
	if in, out := s.finish(t); in != nil || out != nil {
		t.Error(in, out)
	}
	rows := s.rows(t)
	if len(rows) != 4 {
		t.Fatalf("%+v", rows)
	}
	if r := rows[0]; !r.Allowed || r.Service != "read holding registers" || r.Right != "look" || r.Rule != "any" || r.Names[0] != "Fill volume" {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; r.Allowed || r.N != 2 || r.Rule != "rights-beyond-window" || r.Right != "set" || len(r.Changes) != 1 || r.Changes[0] != (recording.Change{Name: "Fill volume", Object: "holding 12", Old: "300 ml", New: "100 ml"}) {
		t.Errorf("%+v", r)
	}
	if r := rows[3]; r.N != 3 || !r.Failed || !strings.Contains(r.Outcome, "illegal data address") {
		t.Errorf("%+v", r)
	}
	raw := slices.Concat(adu(t, 1, "03 000B 0001"), write, read)
	if !bytes.Equal(s.Input(t, s.session.ID(), 0), raw) {
		t.Error("what came is not what was recorded")
	}
	if got := s.Recorded(t, s.session.ID(), 0, recording.Passed); !bytes.Equal(got, slices.Concat(adu(t, 1, "03 000B 0001"), read)) {
		t.Errorf("recorded as passed on: %x", got)
	}
	if got := s.Recorded(t, s.session.ID(), 0, recording.Out); !bytes.Equal(got, slices.Concat(adu(t, 1, "03 02 012C"), adu(t, 2, "86 01"), adu(t, 3, "83 02"))) {
		t.Errorf("recorded as shown: %x", got)
	}
	sums := brokertest.Bodies[audit.OperationsSummary](s.Log)
	if len(sums) != 1 || sums[0].Allowed["look"] != 2 || sums[0].Refused["rights-beyond-window"] != 1 || sums[0].Failed != 1 || sums[0].Unanswered != 0 || sums[0].Asset != "plc" {
		t.Errorf("%+v", sums)
	}
	if no := brokertest.Bodies[audit.ChannelRefused](s.Log); len(no) != 1 || no[0].Rule != "rights-beyond-window" {
		t.Errorf("%+v", no)
	}
	kinds := s.Log.Types()
	if at := slices.Index(kinds, "operations.summary"); at < 0 || slices.Index(kinds, "channel.closed") < at {
		t.Errorf("%v", kinds)
	}
}

func TestASetWindowWritesWithinItsSheet(t *testing.T) {
	s := inspect(t, policy.Look|policy.Set).start(t)
	write := adu(t, 1, "06 000B 03E8")
	says(t, s.client, s.machine, write, write)
	says(t, s.machine, s.client, write, write)
	says(t, s.client, s.client, adu(t, 2, "06 000B 03E9"), adu(t, 2, "86 03"))
	says(t, s.client, s.client, adu(t, 3, "05 0010 FF00"), adu(t, 3, "85 02"))
	says(t, s.client, s.client, adu(t, 4, "06 0001 0001"), adu(t, 4, "86 02")) // nobody listed it: operate
	says(t, s.client, s.client, adu(t, 5, "06 0059 0001"), adu(t, 5, "86 02"))
	says(t, s.client, s.client, adu(t, 6, "41 00"), adu(t, 6, "C1 01"))
	if in, out := s.finish(t); in != nil || out != nil {
		t.Error(in, out)
	}
	sum := brokertest.Bodies[audit.OperationsSummary](s.Log)[0]
	if sum.Allowed["set"] != 1 || sum.Refused["register-limits"] != 1 || sum.Refused["rights-beyond-window"] != 2 || sum.Refused["modbus-object"] != 1 || sum.Refused["modbus-function"] != 1 {
		t.Errorf("%+v", sum)
	}
	if rows := s.rows(t); rows[1].N != 1 || rows[1].Outcome != "done" || rows[1].Failed {
		t.Errorf("%+v", rows)
	}
}

// A window for one register alone: another that the rights would allow comes back
// with the machine's own exception, also by a new sheet; the machine sees nothing.
func TestAWindowForOneRegister(t *testing.T) {
	s := inspect(t, policy.Look|policy.Set, "40012 (Fill volume)").start(t)
	write := adu(t, 1, "06 000B 0064")
	says(t, s.client, s.machine, write, write)
	says(t, s.machine, s.client, write, write)
	says(t, s.client, s.client, adu(t, 2, "05 0011 FF00"), adu(t, 2, "85 02")) // the lamp: set, and not named
	brokertest.Inspected = true
	plant := brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 5020, pin)
	brokertest.Inspected = false
	s.mu.Lock()
	s.plant = plant
	s.mu.Unlock()
	says(t, s.client, s.client, adu(t, 3, "05 0011 FF00"), adu(t, 3, "85 02"))
	read := adu(t, 4, "01 0011 0001")
	says(t, s.client, s.machine, read, read)
	says(t, s.machine, s.client, adu(t, 4, "01 01 00"), adu(t, 4, "01 01 00"))
	if in, out := s.finish(t); in != nil || out != nil {
		t.Error(in, out)
	}
	if sum := brokertest.Bodies[audit.OperationsSummary](s.Log)[0]; sum.Refused["register-not-agreed"] != 2 || sum.Allowed["set"] != 1 || !slices.Equal(sum.Changed["set"], []string{"holding 12"}) || len(sum.SetOff) != 0 || sum.More != 0 {
		t.Errorf("%+v", sum)
	}
}

// Narrowing acts on the next operation of a stream that runs, and no byte of
// the machine's is lost.
func TestNarrowingActsOnTheNextOperation(t *testing.T) {
	s := inspect(t, policy.Look|policy.Set).start(t)
	write := adu(t, 1, "06 000B 0064")
	says(t, s.client, s.machine, write, write)
	says(t, s.machine, s.client, write, write)
	s.Broker.Narrow(brokertest.W1, policy.Look, "narrowed by Mia")
	says(t, s.client, s.client, adu(t, 2, "06 000B 0065"), adu(t, 2, "86 01"))
	read := adu(t, 3, "03 000B 0001")
	says(t, s.client, s.machine, read, read)
	if in, _ := s.finish(t); in != nil {
		t.Error(in)
	}
}

// One writes at a time; who comes second looks, and cannot write.
func TestTheSecondWriterOnlyLooks(t *testing.T) {
	s := inspect(t, policy.Look|policy.Set).start(t)
	second := *s
	second.session = s.Session(t, &brokertest.Guest{})
	second.channel = s.Channel(t, second.session, brokertest.Modbus())
	var err error
	if second.stream, err = relay.Inspect(second.channel, func() *policy.Plant { return s.plant }, modbus.New); err != nil {
		t.Fatal(err)
	}
	second.in, second.out = make(chan error, 1), make(chan error, 1)
	second.start(t)
	says(t, second.client, second.client, adu(t, 1, "06 000B 0064"), adu(t, 1, "86 02"))
	read := adu(t, 2, "03 000B 0001")
	says(t, second.client, second.machine, read, read)
	write := adu(t, 1, "06 000B 0064")
	says(t, s.client, s.machine, write, write)
	if rows := second.rows(t); rows[0].Rule != "one-writer" {
		t.Errorf("%+v", rows)
	}
	second.finish(t)
	s.finish(t)
}

// A new register sheet counts from the next operation on.
func TestANewSheetActsOnTheNextOperation(t *testing.T) {
	s := inspect(t, policy.Look|policy.Set).start(t)
	write := adu(t, 1, "06 000B 0064")
	says(t, s.client, s.machine, write, write)
	says(t, s.machine, s.client, write, write)
	files := strings.Replace(string(s.plant.Document()), "max: 1000", "max: 99", 1)
	other, problems := policy.ParseBundle([]byte(files))
	if problems != nil {
		t.Fatal(problems)
	}
	s.mu.Lock()
	s.plant = other
	s.mu.Unlock()
	says(t, s.client, s.client, adu(t, 2, "06 000B 0064"), adu(t, 2, "86 03"))
	s.finish(t)
}

// More requests than a machine takes at once wait for its answers.
func TestPipeliningIsHeldToABound(t *testing.T) {
	const many = 3*relay.MostWaiting + 5
	s := inspect(t, policy.Look).start(t)
	var all []byte
	for n := range many {
		all = append(all, adu(t, uint16(n), "03 000B 0001")...)
	}
	size := len(all) / many
	if _, err := s.client.Write(all); err != nil {
		t.Fatal(err)
	}
	expect(t, s.machine, all[:relay.MostWaiting*size])
	_ = s.machine.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := s.machine.Read(make([]byte, 1)); err == nil || n > 0 {
		t.Fatal("the machine sees one more before it has answered")
	}
	seen := relay.MostWaiting
	for n := range many {
		answer := adu(t, uint16(n), "03 02 0001")
		says(t, s.machine, s.client, answer, answer)
		if seen < many { // an answer lets one more through
			expect(t, s.machine, all[seen*size:(seen+1)*size])
			seen++
		}
	}
	if in, out := s.finish(t); in != nil || out != nil {
		t.Error(in, out)
	}
}

func TestWhoStillWaitsIsToldWhenTheMachineLeaves(t *testing.T) {
	s := inspect(t, policy.Look).start(t)
	read := adu(t, 9, "03 000B 0001")
	says(t, s.client, s.machine, read, read)
	s.machine.Close()
	expect(t, s.client, adu(t, 9, "83 0B"))
	if err := <-s.out; err != nil {
		t.Error(err)
	}
}

// What is not understood goes nowhere, ends the stream, and is told.
func TestWhatIsNotUnderstoodEndsTheStream(t *testing.T) {
	for story, play := range map[string]func(*inspected) error{
		"no Modbus": func(s *inspected) error { s.client.Write([]byte("GET / HTTP/1.1\r\n\r\n")); return <-s.in },
		"half a frame, and the client leaves": func(s *inspected) error {
			s.client.Write(adu(t, 1, "03 000B 0001")[:5])
			s.client.(*net.TCPConn).CloseWrite()
			return <-s.in
		},
		"half a frame, and no more": func(s *inspected) error {
			s.stream.Hurry(10 * time.Millisecond)
			s.client.Write(adu(t, 1, "03 000B 0001")[:5])
			return <-s.stream.Broken()
		},
		"an answer nobody asked for": func(s *inspected) error { s.machine.Write(adu(t, 1, "03 02 0001")); return <-s.out },
		"a machine that speaks something else": func(s *inspected) error {
			s.machine.Write([]byte("SSH-2.0-dropbear\r\n"))
			return <-s.out
		},
	} {
		s := inspect(t, policy.Look|policy.Set).start(t)
		if err := play(s); refusedBy(err) != "protocol-broken" {
			t.Errorf("%s: %v", story, err)
		}
		if got := s.Recorded(t, s.session.ID(), 0, recording.Passed); len(got) > 0 {
			t.Errorf("%s: %x was passed on", story, got)
		}
		if no := brokertest.Bodies[audit.ChannelRefused](s.Log); len(no) != 1 || no[0].Rule != "protocol-broken" {
			t.Errorf("%s: %+v", story, no)
		}
		s.client.Close()
		s.near.Close()
		s.machine.Close()
		s.channel.Close("", nil)
	}
}

// A cut stops the stream before the next byte, and says why.
func TestACutStopsAnInspectedStream(t *testing.T) {
	s := inspect(t, policy.Look|policy.Set).start(t)
	s.Broker.Stop(brokertest.W1, errors.New("cut"))
	if _, err := s.client.Write(adu(t, 1, "06 000B 0064")); err != nil {
		t.Fatal(err)
	}
	if err := <-s.in; refusedBy(err) != "window-cut" {
		t.Errorf("%v", err)
	}
	if got := s.Recorded(t, s.session.ID(), 0, recording.Passed); len(got) > 0 {
		t.Errorf("%x was passed on", got)
	}
	s.near.Close()
	s.machine.Close()
	<-s.out
}
