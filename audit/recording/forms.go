package recording

import "io"

// Form is one way to export a channel.
type Form struct {
	Name        string
	ContentType string
	Ending      string // of a file
	Input       bool   // what the vendor sent is in it, asked for or not
	Write       func(w io.Writer, r *Reader, ch int, o ...ExportOption) error
}

var forms = []Form{
	{"asciicast-v3", "application/x-asciicast", ".cast", false, castOf(3)},
	{"asciicast-v2", "application/x-asciicast", ".cast", false, castOf(2)},
	{"text", "text/plain; charset=utf-8", ".txt", false, ExportText},
	{"pcapng", "application/x-pcapng", ".pcapng", true, ExportPcapng},
	{"operations", "text/csv; charset=utf-8; header=present", ".csv", false, ExportOperations},
	{"raw-in", "application/octet-stream", ".in", true, rawOf(In)},
	{"raw-out", "application/octet-stream", ".out", false, rawOf(Out)},
	{"raw-err", "application/octet-stream", ".err", false, rawOf(Err)},
}

// FormNames is all of them in words, for whoever named none.
const FormNames = "asciicast-v3, asciicast-v2, text, pcapng, operations, raw-in, raw-out or raw-err"

// FormOf finds a form by its name.
func FormOf(name string) (Form, bool) {
	for _, f := range forms {
		if f.Name == name {
			return f, true
		}
	}
	return Form{}, false
}

func castOf(version int) func(io.Writer, *Reader, int, ...ExportOption) error {
	return func(w io.Writer, r *Reader, ch int, o ...ExportOption) error {
		return ExportCast(w, r, ch, version, o...)
	}
}

func rawOf(m Mark) func(io.Writer, *Reader, int, ...ExportOption) error {
	return func(w io.Writer, r *Reader, ch int, _ ...ExportOption) error { return ExportRaw(w, r, ch, m) }
}
