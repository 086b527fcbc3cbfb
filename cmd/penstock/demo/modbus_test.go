package demo

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// unhex reads bytes as the specification prints them.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestModbusAnswers: frames by hand, after the Modbus application protocol V1.1b3.
func TestModbusAnswers(t *testing.T) {
	for name, row := range map[string]struct{ ask, want string }{
		"3 reads 40012 and 40013":      {"03 000b 0002", "03 04 0320 00be"},
		"3 of what means nothing is 0": {"03 0000 0001", "03 02 0000"},
		"3 beyond the table":           {"03 0063 0002", "83 02"},
		"3 of nothing":                 {"03 000b 0000", "83 03"},
		"3 of 126":                     {"03 0000 007e", "83 03"},
		"3 past the end of addresses":  {"03 ffff 0002", "83 02"},
		"3 cut short":                  {"03 000b", "83 03"},
		"3 with more behind":           {"03 000b 0001 00", "83 03"},
		"4 reads the alarm number":     {"04 0004 0001", "04 02 0000"},
		"4 beyond":                     {"04 0006 0001", "84 02"},
		"1 reads coil 17":              {"01 0010 0001", "01 01 01"},
		"1 reads over a byte's end":    {"01 000c 0009", "01 02 10 00"},
		"2 reads alarm and running":    {"02 0000 0002", "02 01 02"},
		"1 of 2001":                    {"01 0000 07d1", "81 03"},
		"5 stops the line":             {"05 0010 0000", "05 0010 0000"},
		"5 with another value":         {"05 0010 0100", "85 03"},
		"5 elsewhere":                  {"05 0011 ff00", "85 02"},
		"6 sets the fill volume":       {"06 000b 0324", "06 000b 0324"},
		"6 above the limit":            {"06 000b 03e9", "86 03"},
		"6 where nothing is written":   {"06 0000 0001", "86 02"},
		"15 starts":                    {"0f 0010 0001 01 01", "0f 0010 0001"},
		"15 over its end":              {"0f 0010 0002 01 03", "8f 02"},
		"15 with a wrong count":        {"0f 0010 0001 02 0100", "8f 03"},
		"16 sets two":                  {"10 000b 0002 04 0320 00d2", "10 000b 0002"},
		"16 all or nothing":            {"10 000b 0002 04 0324 00ff", "90 03"},
		"16 with a wrong count":        {"10 000b 0002 05 0320 00d2", "90 03"},
		"16 of 124":                    {"10 0000 007c f8" + strings.Repeat("00", 248), "90 03"},
		"43/14 basic":                  {"2b 0e 01 00", "2b 0e 01 82 00 00 03 00 05 4b72616c6c 01 03 465835 02 05 342e322e31"},
		"43/14 one object":             {"2b 0e 04 01", "2b 0e 04 82 00 00 01 01 03 465835"},
		"43/14 an object that is not":  {"2b 0e 04 09", "ab 02"},
		"43/14 an unknown code":        {"2b 0e 07 00", "ab 03"},
		"43/13 is CANopen":             {"2b 0d 01 00", "ab 01"},
		"7 is not spoken":              {"07", "87 01"},
		"90, the maker's own":          {"5a 00 02", "da 01"},
		"an answer is no request":      {"83 02", "83 01"},
		"40090 is cleared by reading":  {"03 0059 0001", "03 02 307b"},
		"6 sets the cap torque":        {"06 000c 00d2", "06 000c 00d2"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(values{}, nil)
			if got := modbusAnswer(filler{l}, unhex(t, row.ask), "test"); !bytes.Equal(got, unhex(t, row.want)) {
				t.Errorf("%s\n got % x\nwant %s", row.ask, got, row.want)
			}
		})
	}
}

func TestModbusMovesTheLine(t *testing.T) {
	l := newLine(values{}, nil)
	ask := func(text, want string) {
		t.Helper()
		if got := modbusAnswer(filler{l}, unhex(t, text), "test"); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s: % x, want %s", text, got, want)
		}
	}
	if err := l.fault(); err != nil {
		t.Fatal(err)
	}
	ask("04 0000 0006", "04 0c 002a 0000 0002 cfec 01a1 000f") // flow 0, alarm 417, +1.5 %
	ask("05 0010 ff00", "85 04")                               // it does not start while the alarm stands
	ask("10 000b 0002 04 0320 0000", "90 03")                  // the second is too little: the first is not written either
	if v := l.now(); v.Volume != driftVolume {
		t.Fatalf("half of a refused write was done: %+v", v)
	}
	ask("06 000b 0320", "06 000b 0320")
	ask("05 0010 ff00", "05 0010 ff00")
	ask("03 0059 0001", "03 02 307b")
	ask("03 0059 0001", "03 02 0000") // reading 40090 has cleared it
	if v := l.now(); !v.Running || v.Alarm || v.Flow == 0 {
		t.Errorf("the line does not run: %+v", v)
	}
	if got := modbusAnswer(capper{l}, unhex(t, "06 0000 0001"), "test"); !bytes.Equal(got, []byte{0x86, 1}) {
		t.Errorf("the capper takes a write: % x", got)
	}
}

func startTestModbus(t *testing.T) (address string, l *line) {
	t.Helper()
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = newLine(values{}, nil)
	s := startModbus(at, 1, filler{l})
	t.Cleanup(s.stop)
	return at.Addr().String(), l
}

// TestModbusFrames: pipelining, pieces, another unit, and what is no Modbus.
func TestModbusFrames(t *testing.T) {
	address, _ := startTestModbus(t)
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := dial()
	two := unhex(t, "0001 0000 0006 01 03 000b 0001  0002 0000 0006 09 03 000b 0001")
	for _, b := range two {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	want := unhex(t, "0001 0000 0005 01 03 02 0320  0002 0000 0003 09 83 0b")
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("% x, %v; want % x", got, err, want)
	}
	for name, text := range map[string]string{
		"another protocol":   "0001 0001 0006 01 03 000b 0001",
		"a length of 1":      "0001 0000 0001 01",
		"a length too great": "0001 0000 00ff 01",
		"a browser":          hex.EncodeToString([]byte("GET / HTTP/1.1\r\n\r\n")),
	} {
		c := dial()
		if _, err := c.Write(unhex(t, text)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%s was answered", name)
		}
	}
}

// TestModbusByMbpoll: libmodbus reads and writes it.
func TestModbusByMbpoll(t *testing.T) {
	address, l := startTestModbus(t)
	host, port, _ := net.SplitHostPort(address)
	poll := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "mbpoll", append([]string{"-m", "tcp", "-a", "1", "-p", port, "-1"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("mbpoll %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := poll("-t", "4", "-r", "12", "-c", "2", host); !strings.Contains(out, "[12]: \t800") || !strings.Contains(out, "[13]: \t190") {
		t.Errorf("mbpoll shows\n%s", out)
	}
	poll("-t", "4", "-r", "12", host, "805")
	if v := l.now().Volume; v != 805 {
		t.Errorf("mbpoll wrote 805, the line has %g", v)
	}
	if out := poll("-t", "0", "-r", "17", host); !strings.Contains(out, "[17]: \t1") {
		t.Errorf("mbpoll shows\n%s", out)
	}
}

// FuzzModbusAnswer: whatever is asked, the answer fits a PDU and belongs to the question.
func FuzzModbusAnswer(f *testing.F) {
	for _, seed := range []string{"03000b0001", "0100100001", "050010ff00", "06000b0320", "0f001000010101", "10000b0001020320", "2b0e0100", "5a0002", "00", "83"} {
		f.Add(unhex(f, seed))
	}
	f.Fuzz(func(t *testing.T, pdu []byte) {
		if len(pdu) == 0 || len(pdu) > maxModbusPDU {
			return
		}
		for _, d := range []modbusDevice{filler{newLine(values{}, nil)}, capper{newLine(values{}, nil)}} {
			answer := modbusAnswer(d, pdu, "fuzz")
			if len(answer) < 2 || len(answer) > maxModbusPDU || answer[0]&0x7f != pdu[0]&0x7f {
				t.Errorf("% x: % x", pdu, answer)
			}
			if answer[0]&0x80 != 0 && len(answer) != 2 {
				t.Errorf("% x: an exception of %d bytes", pdu, len(answer))
			}
		}
	})
}
