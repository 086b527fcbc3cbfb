package sftp

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// said is one frame of what was not kept.
type said struct {
	At, Length      int
	Direction, File string
	SHA256          audit.Hash
}

// thinned passes a play through what is recorded.
func thinned(t *testing.T, j *Job, lines ...string) (kept map[recording.Mark]string, hashed []said) {
	t.Helper()
	f := j.thin(nil)
	kept = map[recording.Mark]string{}
	for _, l := range lines {
		m := map[byte]recording.Mark{'v': recording.In, 'm': recording.Out}[l[0]]
		for _, p := range f(m, []byte(l[1:])) {
			if p.Mark != recording.Content {
				kept[p.Mark] += string(p.Data)
				continue
			}
			var s said
			if err := json.Unmarshal(p.Data, &s); err != nil {
				t.Fatalf("%s: %v", p.Data, err)
			}
			hashed = append(hashed, s)
		}
	}
	return kept, hashed
}

const secret = "the recipe that nobody is to read here"

func TestContentIsNotKept(t *testing.T) {
	sum := func(b string) audit.Hash { return audit.HashOf([]byte(b)) }
	for name, c := range map[string]struct {
		command string
		lines   []string
		want    []said
	}{
		"sftp, up": {"", []string{"v" + string(newPacket(fxInit).u32(3).done()), "v" + string(openFile(1, "/in", flagWrite)), "m" + string(handleOf(1, "h\x01")),
			"v" + string(write(2, "h\x01", 0, secret[:10])) + string(write(3, "h\x01", 10, secret[10:])), "m" + string(ok(2)) + string(ok(3)), "v" + string(req(fxClose, 4).text("h\x01").done())},
			[]said{{0, len(secret), "in", `h\x01`, sum(secret)}}},
		"sftp, down, in pieces": {"", []string{"v" + string(req(fxRead, 2).text("h").u64(5).u32(64).done()), "m" + string(req(fxData, 2).text(secret).done()[:20]), "m" + string(req(fxData, 2).text(secret).done()[20:])},
			[]said{{5, 7, "out", "h", sum(secret[:7])}, {12, len(secret) - 7, "out", "h", sum(secret)}}},
		"scp up": {"scp -t /in", []string{"m\x00", fmt.Sprintf("vC0644 %d a\n", len(secret)), "m\x00", "v" + secret[:7], "v" + secret[7:] + "\x00", "m\x00"},
			[]said{{0, 7, "in", "a", sum(secret[:7])}, {7, len(secret) - 7, "in", "a", sum(secret)}}},
		"scp down": {"scp -f /out", []string{"v\x00", fmt.Sprintf("mC0644 %d out\n", len(secret)), "v\x00", "m" + secret + "\x00", "v\x00"},
			[]said{{0, len(secret), "out", "out", sum(secret)}}},
		"git": {"git-receive-pack x", []string{"m" + secret, "v" + secret, "v" + secret},
			[]said{{0, len(secret), "out", "", sum(secret)}, {0, len(secret), "in", "", sum(secret)}, {len(secret), len(secret), "in", "", sum(secret + secret)}}},
	} {
		kind := "exec"
		if c.command == "" {
			kind, c.command = "subsystem", "sftp"
		}
		j, err := Parse(kind, c.command)
		if err != nil {
			t.Fatal(err)
		}
		kept, hashed := thinned(t, j, c.lines...)
		if fmt.Sprint(hashed) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v\nwant %v", name, hashed, c.want)
		}
		all := kept[recording.In] + kept[recording.Out]
		for i := 0; i+6 <= len(secret); i++ {
			if strings.Contains(all, secret[i:i+6]) {
				t.Errorf("%s: %q is kept", name, secret[i:i+6])
				break
			}
		}
		if !strings.HasPrefix(c.command, "git") && len(all) == 0 {
			t.Errorf("%s: nothing of the protocol is kept", name)
		}
	}
}

// What the vendor is shown of an answer that never becomes whole is in the record
// all the same, and of a play that breaks in one direction nothing is lost in the other.
func TestAnAnswerThatIsNotWholeIsRecorded(t *testing.T) {
	j := &Job{Kind: "sftp"}
	answer := string(req(fxData, 2).text(secret).done())
	kept, hashed := thinned(t, j, "v"+string(req(fxRead, 2).text("h").u64(0).u32(64).done()), "m"+answer[:6], "m"+answer[6:20], "m"+answer[20:30])
	if kept[recording.Out] != answer[:dataHead] {
		t.Errorf("kept of the answer: %q", kept[recording.Out])
	}
	want := fmt.Sprint([]said{{0, 7, "out", "h", audit.HashOf([]byte(secret[:7]))}, {7, 10, "out", "h", audit.HashOf([]byte(secret[:17]))}})
	if fmt.Sprint(hashed) != want {
		t.Errorf("hashed of the answer: %v\nwant %s", hashed, want)
	}
	names := string(req(fxName, 3).u32(1).text("a").text("-rw a").u32(0).done())
	kept, _ = thinned(t, j, "m"+names[:15], "v\x00\x00\x00\x00\x01", "m"+names[15:])
	if kept[recording.Out] != names || kept[recording.In] == "" {
		t.Errorf("kept: %q", kept)
	}
	for _, short := range []string{"\x00\x00\x00\x01e", "\x00\x00\x00\x05g\x00\x00\x00\x02", "\x00\x00\x00\x05g\x00\x00\x00\x02\x00\x00\x00\x00\x00"} {
		if kept, _ = thinned(t, j, "m"+short); kept[recording.Out] != short {
			t.Errorf("kept of %q: %q", short, kept)
		}
	}
}

// In the recording of such an account, and only there.
func TestTheRecordingHoldsHashesWhereThePlantSaysSo(t *testing.T) {
	defer func() { brokertest.KeepHashes = false }()
	for name, hashes := range map[string]bool{"hashes": true, "content": false} {
		brokertest.KeepHashes = hashes
		r := brokertest.New(t, brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 0, pin), broker.Limits{})
		j, err := Parse("exec", "scp -t /in")
		if err != nil {
			t.Fatal(err)
		}
		s := r.Session(t, &brokertest.Guest{})
		ch := r.Channel(t, s, policy.Query{Asset: brokertest.PLC, Port: "sftp", Account: brokertest.Maint, Kind: "scp"})
		c := j.Carry(ch, nil, func(string) {})
		var vendor, target bytes.Buffer
		if err := c.ToVendor(ch.Context(), &vendor, strings.NewReader("\x00")); err != nil {
			t.Fatal(err)
		}
		if err := c.ToTarget(ch.Context(), &target, strings.NewReader(fmt.Sprintf("C0644 %d a\n", len(secret)))); err != nil {
			t.Fatal(err)
		}
		c.out = queue{moved: c.out.moved}
		c.out.moved.L = &c.out.mu
		if err := c.ToVendor(ch.Context(), &vendor, strings.NewReader("\x00")); err != nil {
			t.Fatal(err)
		}
		if err := c.ToTarget(ch.Context(), &target, strings.NewReader(secret+"\x00")); err != nil {
			t.Fatal(err)
		}
		ch.Close("0", nil)
		in, hashed := string(r.Input(t, s.ID(), 0)), string(r.Recorded(t, s.ID(), 0, recording.Content))
		if kept := strings.Contains(in, secret); kept == (name == "hashes") || strings.Contains(hashed, fmt.Sprintf("%x", sha256.Sum256([]byte(secret)))) == kept {
			t.Errorf("%s: recorded %q, and of files %q", name, in, hashed)
		}
		if !strings.HasSuffix(target.String(), secret+"\x00") {
			t.Errorf("%s: the machine got %q", name, target.String())
		}
	}
}

// Narrowed to look while a lot goes on to the machine: no further step of it does.
func TestNarrowedInTheMiddleOfATransfer(t *testing.T) {
	r := brokertest.New(t, brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 0, pin), broker.Limits{})
	j, err := Parse("exec", "git-receive-pack x")
	if err != nil {
		t.Fatal(err)
	}
	s := r.Session(t, &brokertest.Guest{})
	ch := r.Channel(t, s, policy.Query{Asset: brokertest.PLC, Port: "sftp", Account: brokertest.Maint, Kind: "git"})
	sent := 0
	machine := writing(func(p []byte) (int, error) {
		if sent += len(p); sent > 100<<10 {
			r.Broker.Narrow(brokertest.W1, policy.Look, "narrowed by mia to: look")
		}
		return len(p), nil
	})
	if err := j.Carry(ch, nil, func(string) {}).ToTarget(ch.Context(), machine, bytes.NewReader(make([]byte, 1<<20))); err != nil || sent > 164<<10 {
		t.Errorf("%d bytes passed: %v", sent, err)
	}
	ch.Close("0", nil)
	if notes := string(r.Recorded(t, s.ID(), 0, recording.Note)); !strings.Contains(notes, "not passed on") {
		t.Errorf("the recording does not say that it stopped: %q", notes)
	}
}

type writing func([]byte) (int, error)

func (w writing) Write(p []byte) (int, error) { return w(p) }
