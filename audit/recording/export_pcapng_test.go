package recording_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"pgregory.net/rapid"

	"penstock/audit/recording"
)

const forwardRequest = `{"allowed":true,"host":"filler-plc","kind":"direct-tcpip","port":502,"rule":"line","source":"192.0.2.7:51234","target":"10.20.1.11:502"}`

// modbus is an exchange as it is relayed: read registers, write one, an
// exception; requests that came in two pieces, two answers in one.
var modbus = []recording.Frame{
	{At: 1000 * ms, Mark: 'q', Data: []byte(forwardRequest)},
	{At: 1001 * ms, Mark: 'm', Data: []byte("connected to 10.20.1.11:502 from 10.0.0.5:40000")},
	{At: 1010 * ms, Mark: 'i', Data: []byte{0, 1, 0, 0, 0}}, // the first five bytes of a request
	{At: 1011 * ms, Mark: 'i', Data: []byte{6, 1, 3, 0, 11, 0, 2}},
	{At: 1015 * ms, Mark: 'o', Data: []byte{0, 1, 0, 0, 0, 7, 1, 3, 4, 0, 42, 1, 0}},
	{At: 1100 * ms, Mark: 'i', Data: []byte{0, 2, 0, 0, 0, 6, 1, 6, 0, 11, 0, 77, 0, 3, 0}}, // a write, and the beginning of the next
	{At: 1101 * ms, Mark: 'o', Data: []byte{0, 2, 0, 0, 0, 6, 1, 6, 0, 11, 0}},              // its answer, not whole
	{At: 1102 * ms, Mark: 'i', Data: []byte{0, 0, 6, 1, 3, 255, 255, 0, 2}},
	{At: 1103 * ms, Mark: 'o', Data: []byte{77, 0, 3, 0, 0, 0, 3, 1, 0x83, 2}},
	{At: 1500 * ms, Mark: 'm', Data: []byte("paused by Mia \x1b[2J\u202e")},
	{At: 2000 * ms, Mark: 'i', Data: []byte{0, 4, 0, 0, 0, 6, 1, 3, 0, 1, 0, 1}},
	{At: 2004 * ms, Mark: 'o', Data: []byte{0, 4, 0, 0, 0, 5, 1, 3, 2, 0, 9}},
	{At: 3000 * ms, Mark: 'f', Data: []byte("in")},
	{At: 3001 * ms, Mark: 'f', Data: []byte("out")},
}

func captured(t *testing.T, frames []recording.Frame) []byte {
	t.Helper()
	r := newRoom(t, t.TempDir())
	recording.Fixed(t, r.Archive, header("S-1"), "direct-tcpip", frames)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	var one, two bytes.Buffer
	must(t, recording.ExportPcapng(&one, rd, 0))
	must(t, recording.ExportPcapng(&two, rd, 0))
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("two exports differ")
	}
	return one.Bytes()
}

// tshark reads a capture as Wireshark does, checksums and all.
func tshark(t *testing.T, capture []byte, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err != nil {
		t.Fatal("tshark is needed: apt-get install tshark")
	}
	file := filepath.Join(t.TempDir(), "x.pcapng")
	must(t, os.WriteFile(file, capture, 0o600))
	cmd := exec.Command(path, append([]string{"-n", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LANG=C")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, errs.String())
	}
	return string(out)
}

func TestWiresharkDissectsAModbusExchange(t *testing.T) {
	c := captured(t, modbus)
	got := tshark(t, c, "-Y", "modbus", "-T", "fields", "-e", "ip.src", "-e", "mbtcp.trans_id", "-e", "modbus.func_code", "-e", "modbus.exception_code")
	want := strings.Join([]string{
		"192.0.2.7\t1\t3\t", "10.20.1.11\t1\t3\t", "192.0.2.7\t2\t6\t", "192.0.2.7\t3\t3\t", "10.20.1.11\t2\t6\t", "10.20.1.11\t3\t3\t2", "192.0.2.7\t4\t3\t", "10.20.1.11\t4\t3\t"}, "\n") + "\n"
	if got != want {
		t.Errorf("dissected:\n%swant:\n%s", got, want)
	}
	clean(t, c)
	all := tshark(t, c, "-T", "fields", "-e", "frame.time_epoch", "-e", "tcp.flags.str", "-e", "frame.comment")
	if lines := strings.Count(all, "\n"); lines != 3+8+4 {
		t.Errorf("%d packets:\n%s", lines, all)
	}
	if !strings.Contains(all, "1795316401.001000000") || !strings.Contains(all, "S-1 channel 0, ann of acme; let through by rule line") || !strings.Contains(all, "paused by Mia ?[2J?") {
		t.Errorf("times and comments:\n%s", all)
	}
	if !bytes.Contains(c, []byte("synthesised by Penstock")) {
		t.Error("the section does not say that the headers are synthesised")
	}
}

// clean holds a capture to Wireshark's own judgement of TCP.
func clean(t *testing.T, capture []byte) {
	t.Helper()
	const complaints = "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed || _ws.expert.severity >= 6291456"
	if bad := tshark(t, capture, "-Y", complaints); bad != "" {
		t.Error(bad)
	}
	if len(capture) > 600 { // and it would complain
		broken := bytes.Clone(capture)
		broken[len(broken)-20] ^= 0x55 // in the last packet's TCP header
		if tshark(t, broken, "-Y", complaints) == "" {
			t.Error("a changed packet is not complained about")
		}
	}
}

func TestPcapngOfLargeAndOddStreams(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 4<<10) // 64 KiB
	request := func(source, target string) recording.Frame {
		return recording.Frame{At: ms, Mark: 'q', Data: fmt.Appendf(nil, `{"allowed":true,"kind":"direct-tcpip","rule":"x","source":%q,"target":%q}`, source, target)}
	}
	rows := []struct {
		story  string
		frames []recording.Frame
	}{
		{"much in one direction", []recording.Frame{request("192.0.2.7:1", "10.0.0.1:5900"), {At: 2 * ms, Mark: 'o', Data: big}, {At: 2 * ms, Mark: 'o', Data: big}, {At: 3 * ms, Mark: 'o', Data: big}, {At: 4 * ms, Mark: 'i', Data: []byte("x")}}},
		{"IPv6", []recording.Frame{request("[2001:db8::7]:1", "[2001:db8::1]:502"), {At: 2 * ms, Mark: 'i', Data: modbus[10].Data}, {At: 3 * ms, Mark: 'o', Data: modbus[11].Data}}},
		{"IPv6 to IPv4", []recording.Frame{request("[2001:db8::7]:1", "10.0.0.1:443"), {At: 2 * ms, Mark: 'i', Data: []byte("hello")}, {At: 3 * ms, Mark: 'o', Data: big}}},
		{"no bytes", []recording.Frame{request("192.0.2.7:1", "10.0.0.1:5900"), {At: 2 * ms, Mark: 'm', Data: []byte("connected to 10.0.0.1:5900")}}},
		{"a machine that did not answer", []recording.Frame{request("192.0.2.7:1", "10.0.0.1:5900"), {At: 2 * ms, Mark: 'm', Data: []byte("ended: x")}}},
		{"the machine ends first", []recording.Frame{request("192.0.2.7:1", "10.0.0.1:80"), {At: 2 * ms, Mark: 'i', Data: []byte("GET / HTTP/1.0\r\n\r\n")}, {At: 3 * ms, Mark: 'o', Data: []byte("HTTP/1.0 200 OK\r\n\r\nyes")}, {At: 4 * ms, Mark: 'f', Data: []byte("out")}, {At: 9 * ms, Mark: 'f', Data: []byte("in")}}},
		{"not Modbus on port 502", []recording.Frame{request("192.0.2.7:1", "10.0.0.1:502"), {At: 2 * ms, Mark: 'i', Data: []byte("GET / HTTP/1.0\r\n\r\n")}, {At: 3 * ms, Mark: 'o', Data: []byte{0, 1, 0, 0, 255, 255, 1}}}},
	}
	for _, row := range rows {
		t.Run(row.story, func(t *testing.T) { clean(t, captured(t, row.frames)) })
	}
}

func TestPcapngOfWhatIsNone(t *testing.T) {
	for name, frames := range map[string][]recording.Frame{
		"a shell": story, "nothing": {},
		"a forward that was refused": {{At: ms, Mark: 'q', Data: []byte(`{"allowed":false,"kind":"direct-tcpip","rule":"x","source":"192.0.2.7:1","target":"10.0.0.1:5"}`)}},
		"no addresses":               {{At: ms, Mark: 'q', Data: []byte(`{"allowed":true,"kind":"direct-tcpip","rule":"x","source":"x","target":"10.0.0.1:5"}`)}},
	} {
		r := newRoom(t, t.TempDir())
		recording.Fixed(t, r.Archive, header("S-1"), "direct-tcpip", frames)
		rd, err := r.Open("S-1")
		must(t, err)
		var out bytes.Buffer
		if err := recording.ExportPcapng(&out, rd, 0); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
		rd.Close()
	}
	// Of a torn recording the whole part is written, and then the error is told.
	r := newRoom(t, t.TempDir())
	recording.Fixed(t, r.Archive, header("S-1"), "direct-tcpip", modbus[:5])
	cutBy(t, filepath.Join(r.path("S-1"), "c00-direct-tcpip.000.brf"), 1)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	var out bytes.Buffer
	if err := recording.ExportPcapng(&out, rd, 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("torn: %v", err)
	}
	if got := tshark(t, out.Bytes(), "-Y", "modbus"); strings.Count(got, "\n") != 1 {
		t.Errorf("of a torn recording: %s", got)
	}
	if err := recording.ExportPcapng(failing{}, rd, 0); err == nil {
		t.Error("a writer that fails is no error")
	}
}

// Both directions come out of a capture byte for byte, in packets whose
// sequence numbers follow, at times that do not run backwards.
func TestPcapngHoldsEveryByte(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		port := rapid.SampledFrom([]int{502, 5900}).Draw(rt, "port")
		frames := []recording.Frame{{Mark: 'q', Data: fmt.Appendf(nil, `{"allowed":true,"kind":"direct-tcpip","rule":"x","source":"192.0.2.7:1","target":"10.0.0.1:%d"}`, port)}}
		var want [2][]byte
		at := time.Duration(0)
		for range rapid.IntRange(1, 30).Draw(rt, "frames") {
			at += time.Duration(rapid.IntRange(0, 8).Draw(rt, "gap")) * ms
			way := rapid.IntRange(0, 1).Draw(rt, "way")
			data := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(rt, "data")
			switch rapid.IntRange(0, 9).Draw(rt, "shape") {
			case 8:
				data = []byte{0, 1, 0, 0, 0, 6, 1}
			case 9:
				data = bytes.Repeat(data[:1], 64<<10)
			}
			frames = append(frames, recording.Frame{At: at, Mark: recording.Mark("io"[way]), Data: data})
			want[way] = append(want[way], data...)
		}
		got, wrong := reassemble(recording.CaptureOf(frames))
		if wrong != "" || !bytes.Equal(got[0], want[0]) || !bytes.Equal(got[1], want[1]) {
			rt.Fatalf("%s; %d and %d bytes of %d and %d, or others", wrong, len(got[0]), len(got[1]), len(want[0]), len(want[1]))
		}
	})
}

func reassemble(capture []byte) (got [2][]byte, wrong string) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(capture), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		return got, err.Error()
	}
	next, last := map[layers.TCPPort]uint32{}, time.Time{}
	for {
		b, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return got, ""
		}
		if err != nil || info.Timestamp.Before(last) {
			return got, fmt.Sprintf("%v at %v after %v", err, info.Timestamp, last)
		}
		last = info.Timestamp
		tcp, ok := gopacket.NewPacket(b, layers.LinkTypeRaw, gopacket.Default).Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok {
			return got, "a packet without TCP"
		}
		if seq, known := next[tcp.SrcPort]; known && tcp.Seq != seq {
			return got, fmt.Sprintf("sequence %d, want %d", tcp.Seq, seq)
		}
		next[tcp.SrcPort] = tcp.Seq + uint32(len(tcp.Payload))
		if tcp.SYN || tcp.FIN {
			next[tcp.SrcPort]++
		}
		way := 0
		if tcp.SrcPort != 1 {
			way = 1
		}
		got[way] = append(got[way], tcp.Payload...)
	}
}

// Whatever a recording holds, there is a capture that can be read, or an error.
func FuzzPcapng(f *testing.F) {
	f.Add([]byte(forwardRequest), []byte{0, 1, 0, 0, 0, 6, 1}, []byte("in"), []byte("connected to x"), int64(ms))
	f.Add([]byte(`{"kind":"direct-tcpip","allowed":true,"source":"[::ffff:1.2.3.4]:0","target":"[fe80::1%eth0]:65535"}`), []byte{0, 0, 0, 0, 0, 0}, []byte("out"), []byte("\xff\u202e"), int64(-1))
	f.Add([]byte("{}"), []byte{}, []byte{}, []byte{}, int64(1<<62))
	f.Fuzz(func(t *testing.T, request, data, eof, note []byte, gap int64) {
		frames := []recording.Frame{{Mark: 'q', Data: request}}
		for i, f := range []recording.Frame{{Mark: 'm', Data: note}, {Mark: 'i', Data: data}, {Mark: 'o', Data: data}, {Mark: 'q', Data: request},
			{Mark: 'i', Data: data}, {Mark: 'f', Data: eof}, {Mark: 'i', Data: data}, {Mark: 'f', Data: eof}, {Mark: 'x', Data: note}} {
			f.At = time.Duration(i) * time.Duration(gap%int64(time.Hour))
			frames = append(frames, f)
		}
		if b := recording.CaptureOf(frames); len(b) > 0 {
			if _, wrong := reassemble(b); wrong != "" && gap >= 0 && !strings.HasPrefix(wrong, "sequence") {
				t.Fatal(wrong)
			}
		}
	})
}
