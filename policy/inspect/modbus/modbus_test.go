package modbus_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/policy"
	"penstock/policy/inspect"
	"penstock/policy/inspect/modbus"
)

// port is a filler's sheet with one of everything.
func port() policy.Port {
	return policy.Port{Name: "modbus", Unit: 1, Enforced: policy.ByPenstock, Unlisted: policy.Unlisted{Read: policy.Look, Write: policy.Operate}, Registers: []policy.Register{
		{Object: "40012", Name: "Fill volume", Read: policy.Look, Write: policy.Set, Unit: "ml", Limited: true, Max: 1000},
		{Object: "40013", Name: "Cap torque", Read: policy.Look, Write: policy.Set, Unit: "Nm", Limited: true, Min: 0.5, Max: 2.5, Scale: 0.01},
		{Object: "40014", Name: "Recipe", Read: policy.Look, Write: policy.Set},
		{Object: "40020", Name: "Offset", Read: policy.Look, Write: policy.Set, Type: "s16", Limited: true, Min: -5, Max: 5},
		{Object: "40030", Name: "Litres", Read: policy.Look, Write: policy.Set, Type: "u32", Limited: true, Max: 100000},
		{Object: "40040", Name: "Heat", Read: policy.Look, Write: policy.Set, Type: "f32-low", Limited: true, Min: 10, Max: 90},
		{Object: "40090", Name: "Batch counter", Read: policy.Operate},
		{Object: "40091", Name: "Key", Write: policy.Operate},
		{Object: "coil 17", Name: "Start filler", Read: policy.Look, Write: policy.Operate},
		{Object: "coil 18", Name: "Lamp", Read: policy.Look, Write: policy.Set},
		{Object: "input 1", Name: "Product", Read: policy.Look, Type: "s16", Scale: 0.1, Unit: "°C"},
	}}
}

func open(t testing.TB, p policy.Port) inspect.Inspector {
	t.Helper()
	i, err := modbus.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// adu is a frame of transaction 7 to unit 1.
func adu(t testing.TB, pdu string) []byte {
	t.Helper()
	p := unhex(t, pdu)
	return append([]byte{0, 7, 0, 0, byte((len(p) + 1) >> 8), byte(len(p) + 1), 1}, p...)
}

const (
	look    = policy.Look
	set     = policy.Look | policy.Set
	operate = policy.Look | policy.Operate
	load    = policy.Look | policy.Load
)

// What each function takes, whatever the window; "" where only rights decide.
func TestWhatEachFunctionTakes(t *testing.T) {
	for _, row := range []struct {
		story, pdu string
		need       policy.Rights
		rule       string
		service    string
	}{
		{"coils", "01 0000 0010", look, "", "read coils"},
		{"most coils", "01 0000 07D0", look, "", "read coils"},
		{"a coil too many", "01 0000 07D1", look, "modbus-value", ""},
		{"no coil", "01 0000 0000", look, "modbus-value", ""},
		{"inputs", "02 0000 07D0", look, "", "read discrete inputs"},
		{"registers", "03 000B 0002", look, "", "read holding registers"},
		{"most registers", "03 0064 007D", look, "", ""},
		{"a register too many", "03 0064 007E", look, "modbus-value", ""},
		{"beyond the end", "03 FFFF 0002", look, "modbus-object", ""},
		{"the last one", "03 FFFF 0001", look, "", ""},
		{"a read that does something", "03 0059 0001", operate, "", ""},
		{"a span that has one", "03 0050 000A", operate, "", ""},
		{"a read that is never", "03 005A 0001", look, "modbus-object", ""},
		{"input registers", "04 0000 0006", look, "", "read input registers"},
		{"a byte too many", "04 0000 0006 00", look, "modbus-value", ""},
		{"a byte too few", "04 0000 00", look, "modbus-value", ""},
		{"a coil that starts", "05 0010 FF00", operate, "", "write single coil"},
		{"a coil that is set", "05 0011 0000", set, "", ""},
		{"a coil nobody listed", "05 0020 FF00", operate, "", ""},
		{"a coil with another value", "05 0010 0001", set, "modbus-value", ""},
		{"a register within limits", "06 000B 03E8", set, "", "write single register"},
		{"one above", "06 000B 03E9", set, "register-limits", ""},
		{"torque of 2.5", "06 000C 00FA", set, "", ""},
		{"torque of 2.51", "06 000C 00FB", set, "register-limits", ""},
		{"torque of 0.49", "06 000C 0031", set, "register-limits", ""},
		{"an offset of -5", "06 0013 FFFB", set, "", ""},
		{"an offset of -6", "06 0013 FFFA", set, "register-limits", ""},
		{"a register nobody listed", "06 0001 0001", operate, "", ""},
		{"one that is only read", "06 0059 0001", look, "modbus-object", ""},
		{"half a number", "06 001D 0000", set, "register-limits", ""},
		{"a whole number", "10 001D 0002 04 0001 86A0", set, "", "write registers"},
		{"one above it", "10 001D 0002 04 0001 86A1", set, "register-limits", ""},
		{"twenty degrees, low word first", "10 0027 0002 04 0000 41A0", set, "", ""},
		{"no number at all", "10 0027 0002 04 0000 7FC0", set, "register-limits", ""},
		{"two that are set", "10 000B 0002 04 0064 0064", set, "", ""},
		{"two, one of them out of limits", "10 000B 0002 04 0064 FFFF", set, "register-limits", ""},
		{"three, one of them unlisted", "10 000C 0003 06 0064 0000 0000", set | operate, "", ""},
		{"a count that is wrong", "10 000B 0002 03 0064 0064", set, "modbus-value", ""},
		{"bytes that are missing", "10 000B 0002 04 0064 00", set, "modbus-value", ""},
		{"most registers written", "10 0064 007B F6" + strings.Repeat(" 0000", 123), operate, "", ""},
		{"one more", "10 0064 007C F6" + strings.Repeat(" 0000", 123), set, "modbus-value", ""},
		{"coils, start among them", "0F 0010 0002 01 02", set | operate, "", "write coils"},
		{"coils without it", "0F 0011 0001 01 01", set, "", ""},
		{"most coils written", "0F 0100 07B0 F6" + strings.Repeat("00", 246), operate, "", ""},
		{"exception status", "07", look, "", "read exception status"},
		{"exception status and more", "07 00", look, "modbus-value", ""},
		{"event counter", "0B", look, "", ""},
		{"event log", "0C", look, "", ""},
		{"server id", "11", look, "", ""},
		{"query data", "08 0000 A5A5 1234", look, "", "return query data"},
		{"restart", "08 0001 FF00", operate, "", "restart communications"},
		{"restart with other data", "08 0001 0001", operate, "modbus-value", ""},
		{"diagnostic register", "08 0002 0000", look, "", ""},
		{"delimiter", "08 0003 0A00", operate, "", ""},
		{"listen only", "08 0004 0000", operate, "", ""},
		{"clear counters", "08 000A 0000", operate, "", ""},
		{"bus messages", "08 000B 0000", look, "", ""},
		{"overruns", "08 0012 0000", look, "", ""},
		{"clear overruns", "08 0014 0000", operate, "", ""},
		{"a diagnosis nobody knows", "08 0013 0000", 0, "modbus-function", ""},
		{"a long diagnosis", "08 0002 0000 0000", look, "modbus-value", ""},
		{"a file", "14 07 06 0004 0001 0002", look, "", "read file records"},
		{"another type", "14 07 05 0004 0001 0002", look, "modbus-value", ""},
		{"beyond the last record", "14 07 06 0004 270F 0002", look, "modbus-value", ""},
		{"an answer that does not fit", "14 07 06 0004 0001 0080", look, "modbus-value", ""},
		{"writing a file", "15 09 06 0004 0007 0001 06AF", operate, "", "write file records"},
		{"a record that is cut off", "15 0B 06 0004 0007 0003 06AF 0000", set, "modbus-value", ""},
		{"a mask", "16 000D 00F2 0025", set, "", "mask write register"},
		{"a mask on what has limits", "16 000B 00F2 0025", set, "register-limits", ""},
		{"a mask that is a value", "16 000B 0000 0025", set, "", ""},
		{"write and read", "17 000B 0002 000D 0001 02 00FF", set, "", "write and read registers"},
		{"write and read what does something", "17 0059 0001 000D 0001 02 00FF", set | operate, "", ""},
		{"write too many and read", "17 0000 0001 0064 007A F2" + strings.Repeat(" 0000", 121), set, "modbus-value", ""},
		{"a queue", "18 04DE", look, "", "read FIFO queue"},
		{"identification", "2B 0E 01 00", look, "", "read device identification"},
		{"identification of no kind", "2B 0E 05 00", look, "modbus-value", ""},
		{"CANopen", "2B 0D 00 01 02 03", load, "", "CANopen"},
		{"another interface", "2B 0F 00", 0, "modbus-function", ""},
		{"UMAS of a machine without", "5A 00 20 00", load, "modbus-function", ""},
		{"programming", "7E 01", load, "modbus-function", ""},
		{"several in one", "29 01 06 0000 0000", load, "modbus-function", ""},
		{"firmware", "7D 00", policy.Look | policy.Device, "modbus-function", ""},
		{"none", "00", 0, "modbus-function", ""},
		{"an answer for a question", "83 02", 0, "modbus-function", ""},
		{"a user's own", "41 00 00", 0, "modbus-function", ""},
	} {
		i := open(t, port())
		all, err := i.FromVendor(adu(t, row.pdu))
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %v, %d requests", row.story, err, len(all))
			continue
		}
		r, rule := all[0], ""
		if r.Wrong != nil {
			rule = r.Wrong.Rule
		}
		if rule != row.rule || r.Need != row.need || row.service != "" && r.Service != row.service {
			t.Errorf("%s: %s takes %s, %q (%v); want %s, %q", row.story, r.Service, r.Need, rule, r.Wrong, row.need, row.rule)
		}
		if r.Wrong == nil && !bytes.Equal(r.Forward, adu(t, row.pdu)) {
			t.Errorf("%s: goes on as %x", row.story, r.Forward)
		}
		if r.Wrong != nil && r.Forward != nil {
			t.Errorf("%s: would go on", row.story)
		}
	}
}

func TestUMASIsLoadWhereTheMachineSpeaksIt(t *testing.T) {
	p := port()
	p.UMAS = true
	i := open(t, p)
	long := adu(t, "5A 01 31"+strings.Repeat("AB", 1000))
	all, err := i.FromVendor(long)
	if err != nil || len(all) != 1 || all[0].Need != load || all[0].Wrong != nil || all[0].Code != "5A/31" || !bytes.Equal(all[0].Forward, long) {
		t.Fatalf("%v %+v", err, all)
	}
	if _, err := i.FromVendor([]byte{0, 9, 0, 0, 4, 0, 1, 3}); err == nil {
		t.Error("another function that long was taken")
	}
	i = open(t, p)
	for _, step := range []struct {
		ask, answer string
		half        bool
	}{{"5A 01 30 00", "5A 01 FE", true}, {"5A 01 31 00", "5A 01 FE", true}, {"5A 01 32 00", "5A 01 FE 00", false}, {"5A 01 33", "5A 01 FD", false}} {
		if _, err := i.FromVendor(adu(t, step.ask)); err != nil {
			t.Fatal(err)
		}
		if _, err := i.FromTarget(adu(t, step.answer)); err != nil {
			t.Fatal(err)
		}
		if i.HalfDone() != step.half {
			t.Errorf("after %s: half done is %t", step.ask, i.HalfDone())
		}
	}
}

// The machine's own exception tells the client what it was refused for.
func TestTheExceptionForEachNo(t *testing.T) {
	rights := &policy.Refusal{Rule: "rights-beyond-window"}
	for _, row := range []struct {
		story, pdu string
		no         *policy.Refusal
		has        policy.Rights
		want       string
	}{
		{"look only: no write at all", "06 000B 0064", rights, look, "86 01"},
		{"not this object", "05 0010 FF00", rights, set, "85 02"},
		{"a read that does something", "03 0059 0001", rights, look, "83 02"},
		{"a function of another right", "08 0001 FF00", rights, look, "88 01"},
		{"limits", "06 000B FFFF", nil, set, "86 03"},
		{"never", "06 0059 0000", nil, set, "86 02"},
		{"unknown", "41", nil, set, "C1 01"},
		{"form", "03 0000 0000", nil, set, "83 03"},
	} {
		i := open(t, port())
		all, err := i.FromVendor(adu(t, row.pdu))
		if err != nil {
			t.Fatal(err)
		}
		if row.no == nil {
			row.no = all[0].Wrong
		}
		if got := i.Deny(all[0], row.no, row.has); !bytes.Equal(got, adu(t, row.want)) {
			t.Errorf("%s: %x, want %s", row.story, got, row.want)
		}
		if again := i.Deny(all[0], row.no, row.has); again != nil {
			t.Errorf("%s: denied twice", row.story)
		}
	}
	i := open(t, port())
	all, _ := i.FromVendor([]byte{0, 7, 0, 0, 0, 6, 2, 3, 0, 0, 0, 1})
	if got := i.Deny(all[0], all[0].Wrong, set); !bytes.Equal(got, []byte{0, 7, 0, 0, 0, 3, 2, 0x83, 0x0a}) {
		t.Errorf("another unit: %x", got)
	}
}

// What a client saw is the old value of what it writes.
func TestOldAndNewValues(t *testing.T) {
	i := open(t, port())
	for _, step := range []struct{ ask, answer, want string }{
		{"06 000B 0064", "06 000B 0064", "holding 12 Fill volume  -> 100 ml"},
		{"06 000B 00C8", "86 04", "holding 12 Fill volume 100 ml -> 200 ml"},
		{"03 000B 0002", "03 04 012C 0055", ""},
		{"10 000B 0003 06 00FA 00C8 0009", "10 000B 0003", "holding 12 Fill volume 300 ml -> 250 ml; holding 13 Cap torque 0.85 Nm -> 2 Nm; holding 14 Recipe  -> 9"},
		{"01 0010 0008", "01 01 01", ""},
		{"0F 0010 0002 01 02", "0F 0010 0002", "coil 17 Start filler on -> off; coil 18 Lamp off -> on"},
		{"16 000D 00F0 0005", "16 000D 00F0 0005", "holding 14 Recipe 0009 -> and 00F0 or 0005"},
		{"06 000D 0001", "06 000D 0001", "holding 14 Recipe 5 -> 1"},
		{"06 0001 0001", "06 0001 0001", "holding 2   -> 1"},
		{"10 001D 0002 04 0001 86A0", "10 001D 0002", "holding 30 Litres  -> 100000"},
		{"10 0027 0002 04 0000 41A4", "10 0027 0002", "holding 40 Heat  -> 20.5"},
	} {
		all, err := i.FromVendor(adu(t, step.ask))
		if err != nil {
			t.Fatal(step.ask, err)
		}
		var got []string
		for _, c := range all[0].Changes {
			got = append(got, fmt.Sprintf("%s %s %s -> %s", c.Object, c.Name, c.Old, c.New))
		}
		if strings.Join(got, "; ") != step.want {
			t.Errorf("%s: %q, want %q", step.ask, strings.Join(got, "; "), step.want)
		}
		answers, err := i.FromTarget(adu(t, step.answer))
		if err != nil || len(answers) != 1 || answers[0].Tag != all[0].Tag || !bytes.Equal(answers[0].Forward, adu(t, step.answer)) {
			t.Fatalf("%s: %v %+v", step.answer, err, answers)
		}
	}
}

// An answer must be to what was asked.
func TestWhatIsNoAnswer(t *testing.T) {
	for _, row := range []struct{ ask, answer string }{
		{"03 000B 0002", "03 02 0001"}, {"03 000B 0002", "03 04 0001"}, {"03 000B 0002", "04 04 0001 0002"}, {"03 000B 0002", "83"},
		{"03 000B 0002", "83 02 00"}, {"06 000B 0001", "06 000B 0002"}, {"06 000B 0001", "06 000C 0001"}, {"10 000B 0001 02 0001", "10 000B 0002"},
		{"08 0000 A5A5", "08 0000 A5A6"}, {"08 0002 0000", "08 0003 0000"}, {"01 0000 0009", "01 01 00"}, {"07", "07 00 00"}, {"0B", "0B 0000"},
		{"0C", "0C 03 0000"}, {"11", "11 03 00"}, {"14 07 06 0004 0001 0001", "14 04 05 06 0000"}, {"15 09 06 0004 0007 0001 06AF", "15 09 06 0004 0007 0001 06AE"},
		{"18 04DE", "18 0006 0001 01B8"}, {"2B 0E 01 00", "2B 0E 01 01 00 00 02 00 01 41"}, {"2B 0E 01 00", "2B 0D 00"}, {"16 000D 0000 0001", "16 000D 0000 0002"},
		{"17 000B 0001 000D 0001 02 00FF", "17 04 0000 0000"},
	} {
		i := open(t, port())
		if _, err := i.FromVendor(adu(t, row.ask)); err != nil {
			t.Fatal(err)
		}
		if all, err := i.FromTarget(adu(t, row.answer)); err == nil {
			t.Errorf("%s was answered by %s: %+v", row.ask, row.answer, all)
		}
	}
	i := open(t, port())
	if _, err := i.FromTarget(adu(t, "03 02 0001")); err == nil {
		t.Error("an answer that nobody asked for")
	}
	if _, err := i.FromVendor(adu(t, "03 000B 0001")); err != nil {
		t.Fatal(err)
	}
	if _, err := i.FromTarget([]byte{0, 7, 0, 0, 0, 5, 2, 3, 2, 0, 1}); err == nil {
		t.Error("another unit's answer")
	}
	if _, err := i.FromVendor(adu(t, "03 000B 0001")); err == nil {
		t.Error("a transaction twice, without an answer between")
	}
}

// Bytes behind the last bit are not passed on.
func TestPaddingIsMadeAnew(t *testing.T) {
	i := open(t, port())
	all, err := i.FromVendor(adu(t, "0F 0011 0003 01 FF"))
	if err != nil || !bytes.Equal(all[0].Forward, adu(t, "0F 0011 0003 01 07")) {
		t.Errorf("%v %x", err, all[0].Forward)
	}
	i = open(t, port())
	if _, err := i.FromVendor(adu(t, "01 0000 0003")); err != nil {
		t.Fatal(err)
	}
	if answers, err := i.FromTarget(adu(t, "01 01 FF")); err != nil || !bytes.Equal(answers[0].Forward, adu(t, "01 01 07")) {
		t.Errorf("%v %+v", err, answers)
	}
}

func TestWhatIsNoModbus(t *testing.T) {
	for story, bytes := range map[string]string{
		"another protocol": "0007 0001 0006 01 03 0000 0001", "too short": "0007 0000 0001 01", "too long": "0007 0000 00FF 01 03", "an HTTP request": "47455420 2F20",
		"far too long": "0007 0000 FFFF 01 5A",
	} {
		if _, err := open(t, port()).FromVendor(unhex(t, bytes)); err == nil {
			t.Error(story + " was taken")
		}
	}
}

// Two frames, cut everywhere: the same requests, whatever TCP makes of them.
func TestEverySplitOfTwoFrames(t *testing.T) {
	first, second := adu(t, "10 000B 0002 04 0064 0064"), adu(t, "03 000B 0002")
	second[1] = 8
	both := slices.Concat(first, second)
	answers := slices.Concat(adu(t, "10 000B 0002"), []byte{0, 8, 0, 0, 0, 7, 1, 3, 4, 0, 100, 0, 100})
	for a := 0; a <= len(both); a++ {
		for b := a; b <= len(both); b++ {
			i := open(t, port())
			var got []byte
			for _, piece := range [][]byte{both[:a], both[a:b], both[b:]} {
				all, err := i.FromVendor(bytes.Clone(piece))
				if err != nil {
					t.Fatalf("cut at %d and %d: %v", a, b, err)
				}
				for _, r := range all {
					got = append(got, r.Forward...)
				}
			}
			if vendor, _ := i.Begun(); !bytes.Equal(got, both) || vendor {
				t.Fatalf("cut at %d and %d: %x", a, b, got)
			}
			got = nil
			cut := min(a, len(answers))
			for _, piece := range [][]byte{answers[:cut], answers[cut:]} {
				all, err := i.FromTarget(bytes.Clone(piece))
				if err != nil {
					t.Fatalf("answers cut at %d: %v", cut, err)
				}
				for _, r := range all {
					got = append(got, r.Forward...)
				}
			}
			if !bytes.Equal(got, answers) {
				t.Fatalf("answers cut at %d: %x", cut, got)
			}
		}
	}
}

func TestWhatWaitsWhenTheMachineLeaves(t *testing.T) {
	i := open(t, port())
	if _, err := i.FromVendor(adu(t, "03 000B 0002")); err != nil {
		t.Fatal(err)
	}
	all := i.Gone()
	if len(all) != 1 || !bytes.Equal(all[0].Forward, adu(t, "83 0B")) || len(i.Gone()) != 0 {
		t.Errorf("%+v", all)
	}
}

// A machine that was told to listen only says nothing, and nobody waits for it.
func TestNobodyWaitsForAMachineThatListensOnly(t *testing.T) {
	i := open(t, port())
	all, err := i.FromVendor(adu(t, "08 0004 0000"))
	if err != nil || !all[0].Silent {
		t.Fatal(err)
	}
	if _, err := i.FromVendor(adu(t, "03 000B 0001")); err != nil {
		t.Error(err)
	}
}

func TestASheetThatContradictsItself(t *testing.T) {
	p := port()
	p.Registers = append(p.Registers, policy.Register{Object: "holding 31", Name: "x"})
	if _, err := modbus.New(p); err == nil {
		t.Error("two objects in one register")
	}
	p.Registers = []policy.Register{{Object: "5", Name: "x"}}
	if _, err := modbus.New(p); err == nil {
		t.Error("an object in no table")
	}
}

func FuzzModbus(f *testing.F) {
	for _, pdu := range []string{"01 0000 0010", "03 000B 0002", "05 0010 FF00", "06 000B 0064", "0F 0010 0002 01 02", "10 001D 0002 04 0001 86A0", "08 0000 A5A5", "14 07 06 0004 0001 0002",
		"15 09 06 0004 0007 0001 06AF", "16 000D 00F2 0025", "17 000B 0002 000D 0001 02 00FF", "18 04DE", "2B 0E 01 00", "2B 0D 00 01", "5A 01 30 00", "7E", "07", "0C"} {
		for _, answer := range []string{"03 04 0001 0002", "01 02 0000", "06 000B 0064", "83 02", "5A 01 FE", "2B 0E 01 01 00 00 01 00 01 41", "14 06 05 06 0000 0000", "18 0006 0002 01B8 1284"} {
			f.Add(adu(f, pdu), adu(f, answer), uint8(3))
		}
	}
	p := port()
	p.UMAS = true
	f.Fuzz(func(t *testing.T, vendor, target []byte, cut uint8) {
		whole, pieces := open(t, p), open(t, p)
		at := min(int(cut), len(vendor))
		all, err := whole.FromVendor(bytes.Clone(vendor))
		some, err1 := pieces.FromVendor(bytes.Clone(vendor[:at]))
		if err1 == nil {
			var more []inspect.Request
			more, err1 = pieces.FromVendor(bytes.Clone(vendor[at:]))
			some = append(some, more...)
		}
		if (err == nil) != (err1 == nil) || err == nil && len(all) != len(some) {
			t.Fatalf("whole: %d, %v; in pieces: %d, %v", len(all), err, len(some), err1)
		}
		for n, r := range all {
			if err == nil && !bytes.Equal(r.Forward, some[n].Forward) {
				t.Fatalf("%x and %x", r.Forward, some[n].Forward)
			}
			if r.Wrong == nil { // what is made anew is read the same
				again, err := open(t, p).FromVendor(bytes.Clone(r.Forward))
				if err != nil || len(again) != 1 || !bytes.Equal(again[0].Forward, r.Forward) || again[0].Need != r.Need || again[0].Object != r.Object {
					t.Fatalf("%x is read anew as %+v, %v", r.Forward, again, err)
				}
				if !r.Need.Has(policy.Look) {
					t.Fatalf("%+v takes nothing", r.Operation)
				}
			} else if deny := whole.Deny(r, r.Wrong, set); len(deny) != 9 {
				t.Fatalf("denied by %x", deny)
			}
		}
		answers, err := whole.FromTarget(target)
		if err == nil && len(answers) > len(all) {
			t.Fatal("more answers than requests")
		}
		whole.Gone()
	})
}

// A plant file may say that writing what its sheet does not name is as harmless as
// looking. A window for some registers alone lets no record of a file be written all
// the same, and no word that the sheet does not name.
func TestSomeRegistersAloneWhereTheRestIsHarmless(t *testing.T) {
	p := port()
	p.Unlisted = policy.Unlisted{Read: policy.Look, Write: policy.Look}
	i := open(t, p.Narrowed([]string{"40012 (Fill volume)"}))
	for story, pdu := range map[string]string{"a file": "15 09 06 0004 0007 0001 06AF", "a word": "06 0001 0001"} {
		all, err := i.FromVendor(adu(t, pdu))
		if err != nil || len(all) != 1 {
			t.Fatalf("%s: %v, %d requests", story, err, len(all))
		}
		if no := all[0].Wrong; no == nil || no.Rule != "register-not-agreed" || all[0].Forward != nil {
			t.Fatalf("writing %s passes: %v", story, no)
		}
		i.Deny(all[0], all[0].Wrong, policy.Look)
	}
}

// A window that is for some registers alone: the rest may be read, where reading
// does nothing, and nothing else changes anything, whatever the rights are.
func TestSomeRegistersAlone(t *testing.T) {
	p := port()
	p.UMAS = true
	i := open(t, p.Narrowed([]string{"40012 (Fill volume)", "coil 17 (Start filler)", "40013 (Another name)"}))
	for _, row := range []struct{ story, pdu, rule string }{
		{"one that is named", "06 000B 03E8", ""},
		{"its limits hold as ever", "06 000B 03E9", "register-limits"},
		{"a coil that is named", "05 0010 FF00", ""},
		{"one that is not", "06 000D 0001", "register-not-agreed"},
		{"one that the sheet calls otherwise", "06 000C 00FA", "register-not-agreed"},
		{"a named one and the next", "10 000B 0002 04 0064 0064", "register-not-agreed"},
		{"what no sheet names", "06 0001 0001", "register-not-agreed"},
		{"a named one and what no sheet names", "10 000A 0002 04 0001 0064", "register-not-agreed"},
		{"a coil nobody listed", "0F 0010 0003 01 01", "register-not-agreed"},
		{"a mask on another", "16 000D 00F2 0025", "register-not-agreed"},
		{"writing another while reading a named one", "17 000B 0001 000D 0001 02 00FF", "register-not-agreed"},
		{"writing a named one while reading what does something", "17 0059 0001 000B 0001 02 00FF", "register-not-agreed"},
		{"a read that does something", "03 0059 0001", "register-not-agreed"},
		{"a read", "03 000B 0020", ""},
		{"a queue of what does something", "18 0059", "register-not-agreed"},
		{"restart", "08 0001 FF00", "register-not-agreed"},
		{"query data", "08 0000 A5A5 1234", ""},
		{"writing a file", "15 09 06 0004 0007 0001 06AF", "register-not-agreed"},
		{"CANopen", "2B 0D 00 01 02 03", "register-not-agreed"},
		{"UMAS", "5A 00 20 00", "register-not-agreed"},
		{"identification", "2B 0E 01 00", ""},
	} {
		all, err := i.FromVendor(adu(t, row.pdu))
		if err != nil || len(all) != 1 {
			t.Errorf("%s: %v, %d requests", row.story, err, len(all))
			continue
		}
		rule := ""
		if w := all[0].Wrong; w != nil {
			rule = w.Rule
		}
		if rule != row.rule || (rule == "") != (all[0].Forward != nil) {
			t.Errorf("%s: %q, want %q (%v)", row.story, rule, row.rule, all[0].Wrong)
		}
		if no := all[0].Wrong; no != nil && rule == "register-not-agreed" {
			if answer := i.Deny(all[0], no, policy.Look|policy.Set|policy.Operate|policy.Load); len(answer) != 9 || answer[8] != 2 {
				t.Errorf("%s: the machine's no is %x, want an illegal address", row.story, answer)
			}
		} else if no != nil {
			i.Deny(all[0], no, policy.Look)
		} else {
			i.Gone()
		}
	}
}
