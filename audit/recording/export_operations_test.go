package recording_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"penstock/audit/recording"
)

// did is a stream that an inspector read: a look, a write that was decided anew,
// one that was refused, one that the machine refused, and one without an end.
var did = []recording.Frame{
	{At: 1000 * ms, Mark: 'q', Data: []byte(forwardRequest)},
	{At: 1010 * ms, Mark: 'i', Data: []byte("raw")},
	{At: 1010 * ms, Mark: 'p', Data: []byte(`{"allowed":true,"code":"03","count":2,"n":1,"names":["Fill volume"],"object":"holding 12","right":"look","rule":"look","service":"read holding registers","unit":1}`)},
	{At: 1010 * ms, Mark: 'w', Data: []byte("made anew")},
	{At: 1020 * ms, Mark: 'p', Data: []byte(`{"allowed":true,"changes":[{"name":"Fill volume","new":"250 ml","object":"holding 12","old":"300 ml"},{"new":"7","object":"holding 13"}],"code":"10","count":2,"n":2,"object":"holding 12","right":"set","rule":"set","service":"write registers","unit":1}`)},
	{At: 1030 * ms, Mark: 'p', Data: []byte(`{"changes":[{"name":"Fill volume","new":"250 ml","object":"holding 12","old":"300 ml"},{"new":"7","object":"holding 13"}],"code":"10","count":2,"n":2,"object":"holding 12","right":"set","rule":"rights-beyond-window","service":"write registers","unit":1,"why":"narrowed"}`)},
	{At: 1040 * ms, Mark: 'p', Data: []byte(`{"allowed":true,"changes":[{"name":"=HYPERLINK(1)","new":"-5 °C","object":"holding 20"}],"code":"06","count":1,"n":3,"object":"holding 20","right":"set","rule":"set","service":"write single register","unit":1}`)},
	{At: 1050 * ms, Mark: 'p', Data: []byte(`{"allowed":true,"code":"08/01","more":3,"n":4,"right":"operate","rule":"operate","service":"restart communications","unit":1}`)},
	{At: 1060 * ms, Mark: 'p', Data: []byte(`{"failed":true,"n":3,"outcome":"the machine refused: illegal data value"}`)},
}

func TestOperationsAsCSV(t *testing.T) {
	r := newRoom(t, t.TempDir())
	recording.Fixed(t, r.Archive, header("S-1"), "direct-tcpip", did)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	var out bytes.Buffer
	must(t, recording.ExportOperations(&out, rd, 0))
	want := strings.Join([]string{
		"time,n,service,code,unit,object,name,old,new,count,right,decision,rule,outcome,why",
		"T,1,read holding registers,03,1,holding 12,Fill volume,,,2,look,let through,look,,",
		"T,2,write registers,10,1,holding 12,Fill volume,300 ml,250 ml,2,set,refused,rights-beyond-window,,narrowed",
		"T,2,write registers,10,1,holding 13,,,7,2,set,refused,rights-beyond-window,,narrowed",
		"T,3,write single register,06,1,holding 20,'=HYPERLINK(1),,-5 °C,1,set,let through,set,the machine refused: illegal data value,",
		"T,4,restart communications,08/01,1,,,,,0,operate,let through,operate,3 more changes are not listed,",
		"",
	}, "\r\n")
	var got []string
	for i, line := range strings.Split(out.String(), "\r\n") {
		if _, rest, ok := strings.Cut(line, ","); ok && i > 0 {
			line = "T," + rest
		}
		got = append(got, line)
	}
	if strings.Join(got, "\r\n") != want {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	var words []string
	for o, err := range rd.Operations(0) {
		must(t, err)
		words = append(words, o.Words())
	}
	if len(words) != 4 || words[0] != "read holding registers holding 12 and 1 more (Fill volume)" ||
		words[1] != "write registers: Fill volume (holding 12) 300 ml → 250 ml; holding 13 to 7, refused (rights-beyond-window): narrowed" {
		t.Errorf("%q", words)
	}
}

// A row that is none of ours is said to be so, and ends the list.
func TestARowThatIsNone(t *testing.T) {
	for _, row := range []string{"", "{}", `{"n":0}`, `{"n":1,"nonsense":2}`, `[]`} {
		if _, err := recording.ParseOperation([]byte(row)); err == nil {
			t.Errorf("%q was taken", row)
		}
	}
}

// What a crash left is told as far as it goes.
func TestOperationsOfATornRecording(t *testing.T) {
	r := newRoom(t, t.TempDir())
	recording.Fixed(t, r.Archive, header("S-1"), "direct-tcpip", did)
	cutBy(t, filepath.Join(r.path("S-1"), "c00-direct-tcpip.000.brf"), 3)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	n := 0
	var last error
	for _, err := range rd.Operations(0) {
		if last = err; err == nil {
			n++
		}
	}
	if n != 4 || !errors.Is(last, io.ErrUnexpectedEOF) {
		t.Errorf("%d operations, %v", n, last)
	}
}

func FuzzParseOperation(f *testing.F) {
	for _, one := range did {
		if one.Mark == 'p' {
			f.Add(one.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := recording.ParseOperation(data)
		if err != nil {
			return
		}
		_ = o.Words()
		b, err := o.Encode()
		must(t, err)
		var like bytes.Buffer
		e := json.NewEncoder(&like)
		e.SetEscapeHTML(false)
		must(t, e.Encode(o))
		if !bytes.Equal(append(b, '\n'), like.Bytes()) {
			t.Errorf("%s, and json writes %s", b, like.Bytes())
		}
		again, err := recording.ParseOperation(b)
		must(t, err)
		if c, _ := again.Encode(); !bytes.Equal(b, c) {
			t.Errorf("%s and %s", b, c)
		}
	})
}
