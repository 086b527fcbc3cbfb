package audit

import "time"

// FileHeld: a file that a vendor sent waits at the broker and not on the
// machine; or, where Direction is out, one that they asked for and that Penstock
// has fetched waits here and has not gone to them. Path is where it is to go, or
// stands on the machine, exactly; Kept is the name of its bytes in the holding folder.
type FileHeld struct {
	File      string    `json:"file"` // F-1
	Window    string    `json:"window"`
	Session   string    `json:"session"`
	Channel   int       `json:"channel"`
	Direction string    `json:"direction,omitempty"` // out; else in
	Person    string    `json:"person"`
	Source    string    `json:"source"` // whence they came
	Key       string    `json:"key"`    // fingerprint of the key that was certified
	Asset     string    `json:"asset"`
	Account   string    `json:"account"`
	Path      string    `json:"path"`
	Bytes     int64     `json:"bytes"`
	SHA256    Hash      `json:"sha256"`
	Kept      string    `json:"kept"`
	At        time.Time `json:"at"`
}

// FileMoved is a step of a file that waits: looked (Kind by its first bytes; Scan clean, found or
// none; Database is the scanner's own word on its age), released by an opener, or by penstock
// where the signed request names its hash; refused, also in the middle of its way; delivering, in a channel of a
// session (of one that is taken out: that of whoever takes it, written before the first
// byte); delivered; or expired, its bytes deleted. SHA256 is of the bytes that the step was about.
type FileMoved struct {
	File     string    `json:"file"`
	Window   string    `json:"window"`
	To       string    `json:"to"`
	By       string    `json:"by"`
	Why      string    `json:"why,omitempty"`
	SHA256   Hash      `json:"sha256"`
	Kind     string    `json:"kind,omitempty"`
	Scan     string    `json:"scan,omitempty"`
	Database string    `json:"database,omitempty"`
	Session  string    `json:"session,omitempty"`
	Channel  int       `json:"channel,omitempty"`
	At       time.Time `json:"at"`
}

// ScannerChanged: the scanner that looks into files which wait has not answered, or
// was too old, for a while (Alarm says which, in words); empty Alarm: that is over.
// A start of the node ends it too.
type ScannerChanged struct {
	Alarm string `json:"alarm,omitempty"`
}

var _ = events(FileHeld{}, FileMoved{}, ScannerChanged{})

func (FileHeld) Type() string       { return "file.held" }
func (FileMoved) Type() string      { return "file.moved" }
func (ScannerChanged) Type() string { return "scanner.changed" }
