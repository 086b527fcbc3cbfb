package recording

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/durable"
)

// Names in a session's folder.
const (
	headerFile  = "session.json"
	keyFile     = "keys.age"
	closeFile   = "close.json"
	reserveFile = "reserve" // space kept so that close.json still fits on a full disk
)

const (
	maxHeaderFile = 64 << 10
	maxKeyFile    = 256 << 10
	maxCloseFile  = 64 << 20
)

var (
	sessionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,63}$`)
	kindName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	partPattern = regexp.MustCompile(`^c([0-9]{2,5})-([a-z][a-z0-9-]{0,31})\.([0-9]{3,8})\.brf$`)
)

// part names one file of frames.
type part struct {
	channel uint16
	kind    string
	number  int
}

func (p part) name() string { return fmt.Sprintf("c%02d-%s.%03d.brf", p.channel, p.kind, p.number) }

// parsePart reads a file name; only the one spelling that name gives is accepted.
func parsePart(name string) (part, bool) {
	m := partPattern.FindStringSubmatch(name)
	if m == nil {
		return part{}, false
	}
	ch, err := strconv.ParseUint(m[1], 10, 16)
	if err != nil {
		return part{}, false
	}
	n, err := strconv.Atoi(m[3])
	if err != nil {
		return part{}, false
	}
	p := part{uint16(ch), m[2], n}
	return p, p.name() == name
}

// Closed is close.json: what the recording was when it ended. Its hash is in session.ended.
type Closed struct {
	V       int        `json:"v"` // 1
	Session string     `json:"session"`
	Header  audit.Hash `json:"header"` // of session.json
	Keys    audit.Hash `json:"keys"`   // of keys.age
	Cause   string     `json:"cause"`
	Ended   time.Time  `json:"ended"`
	Files   []File     `json:"files"` // by channel and part
}

// File is one part as close.json, or a check of the folder, has it. Head is the
// chain's hash after the last frame; of a file without frames, the one before it.
type File struct {
	File    string     `json:"file"`
	Bytes   int64      `json:"bytes"`
	Frames  uint64     `json:"frames"`
	First   uint64     `json:"first"` // seq of the first frame; of a file without frames, the seq that would come
	Head    audit.Hash `json:"head"`
	Damaged string     `json:"damaged,omitempty"` // what recovery found and left as it was
}

// channelFiles is one channel's parts, in order.
type channelFiles struct {
	channel uint16
	kind    string
	parts   int // 0 … parts-1 are there
}

// contents is what lies in a session's folder.
type contents struct {
	channels []channelFiles
	closed   bool
	reserve  bool
	wrong    []*Damage // gaps, twice-used channel numbers, files that do not belong
}

// listFolder reads names only.
func listFolder(dir string) (contents, error) {
	var c contents
	entries, err := os.ReadDir(dir)
	if err != nil {
		return c, fmt.Errorf("list recording: %w", err)
	}
	var parts []part
	for _, e := range entries {
		name := e.Name()
		switch p, ok := parsePart(name); {
		case durable.IsTemporary(name): // what an interrupted WriteFile left
		case !e.Type().IsRegular():
			c.wrong = append(c.wrong, &Damage{name, -1, "is no ordinary file"})
		case ok:
			parts = append(parts, p)
		case name == closeFile:
			c.closed = true
		case name == reserveFile:
			c.reserve = true
		case name == headerFile || name == keyFile:
		default:
			c.wrong = append(c.wrong, &Damage{name, -1, "does not belong in a recording"})
		}
	}
	c.group(parts)
	return c, nil
}

func (c *contents) group(parts []part) {
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.channel, b.channel), cmp.Compare(a.kind, b.kind), cmp.Compare(a.number, b.number))
	})
	for _, p := range parts {
		last := len(c.channels) - 1
		if last < 0 || c.channels[last].channel != p.channel {
			c.channels = append(c.channels, channelFiles{p.channel, p.kind, 0})
			last++
		}
		ch := &c.channels[last]
		switch {
		case ch.kind != p.kind:
			c.wrong = append(c.wrong, &Damage{p.name(), -1, "a second recording of one channel number"})
		case ch.parts != p.number:
			c.wrong = append(c.wrong, &Damage{part{p.channel, p.kind, ch.parts}.name(), -1, "is missing"})
			ch.parts = p.number + 1
		default:
			ch.parts++
		}
	}
}

// readBounded reads a small file whole.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	if int64(len(b)) > limit {
		return nil, &Damage{filepath.Base(path), limit, "is larger than it can be"}
	}
	return b, nil
}

// parseExact reads JSON into v and refuses any byte that Canonical would not write.
func parseExact(file string, b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return &Damage{file, d.InputOffset(), "cannot be read: " + err.Error()}
	}
	again, err := audit.Canonical(v)
	if err != nil {
		return &Damage{file, 0, "cannot be read: " + err.Error()}
	}
	if !bytes.Equal(again, b) {
		return &Damage{file, 0, "is not in its canonical form"}
	}
	return nil
}

func parseHeader(b []byte) (Header, error) {
	var h Header
	if err := parseExact(headerFile, b, &h); err != nil {
		return h, err
	}
	if h.V != 1 {
		return h, &Damage{headerFile, 0, fmt.Sprintf("version %d is not known here", h.V)}
	}
	if !sessionName.MatchString(h.Session) {
		return h, &Damage{headerFile, 0, "the session's name is none"}
	}
	return h, nil
}

// readHeader reads session.json and gives its hash.
func readHeader(dir string) (Header, audit.Hash, error) {
	b, err := readBounded(filepath.Join(dir, headerFile), maxHeaderFile)
	if err != nil {
		return Header{}, audit.Hash{}, err
	}
	h, err := parseHeader(b)
	return h, audit.HashOf(b), err
}

// readClosed reads close.json and gives its hash; fs.ErrNotExist while the session runs.
func readClosed(dir string) (Closed, audit.Hash, error) {
	var c Closed
	b, err := readBounded(filepath.Join(dir, closeFile), maxCloseFile)
	if err != nil {
		return c, audit.Hash{}, err
	}
	if err := parseExact(closeFile, b, &c); err != nil {
		return c, audit.HashOf(b), err
	}
	if c.V != 1 {
		return c, audit.HashOf(b), &Damage{closeFile, 0, fmt.Sprintf("version %d is not known here", c.V)}
	}
	return c, audit.HashOf(b), nil
}

// wrapKey makes a session key, and keys.age: the key, 32 bytes, and the
// session's name, to be opened by any of the recipients.
func wrapKey(session string, to []age.Recipient) (key, file []byte, err error) {
	plain := make([]byte, keySize, keySize+len(session))
	defer clear(plain[:cap(plain)])
	rand.Read(plain) // never fails (crypto/rand)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err == nil {
		_, err = w.Write(append(plain, session...))
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		key, err = keys.put(plain)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("wrap the session key: %w", err)
	}
	return key, out.Bytes(), nil
}

// SessionKey opens the key of the recording in dir. A foreign identity is
// age.NoIdentityMatchError, wrapped; anything else wrong with the file is Damage.
func SessionKey(dir string, identities ...age.Identity) ([]byte, error) {
	h, _, err := readHeader(dir)
	if err != nil {
		return nil, err
	}
	b, err := readBounded(filepath.Join(dir, keyFile), maxKeyFile)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(b), identities...)
	if err != nil {
		var foreign *age.NoIdentityMatchError
		if errors.As(err, &foreign) {
			return nil, fmt.Errorf("%s is not wrapped to this identity: %w", keyFile, err)
		}
		return nil, &Damage{keyFile, -1, err.Error()}
	}
	plain, err := io.ReadAll(io.LimitReader(r, keySize+256))
	if err != nil {
		clear(plain)
		return nil, &Damage{keyFile, -1, err.Error()}
	}
	if len(plain) < keySize || string(plain[keySize:]) != h.Session {
		return nil, &Damage{keyFile, -1, "holds the key of another session"}
	}
	return plain[:keySize:keySize], nil
}
