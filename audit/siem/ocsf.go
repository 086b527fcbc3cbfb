// Package siem carries every leaf of the log, as an event of OCSF 1.2.0, to the
// plant's security monitoring: over syslog with TLS, or into a file. At least
// once, in order, and nothing waits for it.
//
// Whoever receives them can notice what happened. They prove nothing: a leaf's
// place and hash are in each event, and the log is what is verified.
package siem

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"penstock/audit"
)

// Schema is the version of OCSF that the numbers here are of (ocsf/ocsf-schema,
// tag 1.2.0); a test holds each event to its compiled schema.
const Schema = "1.2.0"

// maxEvent is the most bytes of one event's JSON: a receiver of syslog over TLS
// should take 8192 (RFC 5425 section 4.3.1), and the syslog header needs room.
const maxEvent = 7900

// maxText is the most runes of one text that is taken out of a body.
const maxText = 200

// Event is one leaf for a SIEM.
type Event struct {
	Place    audit.Place
	Type     string
	At       time.Time
	Severity int    // OCSF severity_id
	JSON     []byte // one line, ASCII only, at most maxEvent bytes
}

// The objects of OCSF that are used, with the attributes that are used.
type (
	wire struct {
		ActivityID   int       `json:"activity_id"`
		ActivityName string    `json:"activity_name,omitempty"`
		CategoryUID  int       `json:"category_uid"`
		ClassUID     int       `json:"class_uid"`
		TypeUID      int       `json:"type_uid"`
		SeverityID   int       `json:"severity_id"`
		StatusID     int       `json:"status_id"`
		StatusDetail string    `json:"status_detail,omitempty"`
		Time         int64     `json:"time"` // ms since 1970
		Message      string    `json:"message"`
		Metadata     metadata  `json:"metadata"`
		Actor        *actor    `json:"actor,omitempty"`
		User         *user     `json:"user,omitempty"`
		Entity       *entity   `json:"entity,omitempty"`
		App          *product  `json:"app,omitempty"`
		Device       *device   `json:"device,omitempty"`
		File         *file     `json:"file,omitempty"`
		Session      *session  `json:"session,omitempty"`
		Src          *endpoint `json:"src_endpoint,omitempty"`
		Dst          *endpoint `json:"dst_endpoint,omitempty"`
		Traffic      *traffic  `json:"traffic,omitempty"`
		Unmapped     unmapped  `json:"unmapped"`
	}
	metadata struct {
		Version     string   `json:"version"`
		Product     product  `json:"product"`
		Profiles    []string `json:"profiles,omitempty"`
		UID         string   `json:"uid"` // "node/index": the same leaf twice has the same
		EventCode   string   `json:"event_code"`
		LogName     string   `json:"log_name"`
		LogProvider string   `json:"log_provider"`
		Sequence    uint64   `json:"sequence"`
		Correlation string   `json:"correlation_uid,omitempty"`
	}
	product struct {
		Name    string `json:"name"`
		Vendor  string `json:"vendor_name"`
		Version string `json:"version,omitempty"`
	}
	actor struct {
		User *user `json:"user"`
	}
	user struct {
		Name string `json:"name,omitempty"`
		UID  string `json:"uid"`
		Org  *org   `json:"org,omitempty"`
	}
	org struct {
		UID string `json:"uid"`
	}
	entity struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
		Name string `json:"name,omitempty"`
	}
	device struct {
		TypeID int    `json:"type_id"`
		Name   string `json:"name"`
	}
	file struct {
		TypeID int           `json:"type_id"`
		Name   string        `json:"name"`
		Path   string        `json:"path"`
		Size   int64         `json:"size"`
		Hashes []fingerprint `json:"hashes,omitempty"`
	}
	fingerprint struct {
		AlgorithmID int    `json:"algorithm_id"`
		Value       string `json:"value"`
	}
	session struct {
		UID string `json:"uid"`
	}
	endpoint struct {
		IP      string `json:"ip,omitempty"`
		Port    uint16 `json:"port,omitempty"`
		Name    string `json:"name,omitempty"`
		UID     string `json:"uid,omitempty"`
		Service string `json:"svc_name,omitempty"`
	}
	traffic struct {
		In  int64 `json:"bytes_in"`
		Out int64 `json:"bytes_out"`
	}
	// unmapped is what OCSF has no attribute for: the whole body as the log has it.
	unmapped struct {
		Subject string          `json:"subject"`
		Rev     uint64          `json:"rev"`
		Leaf    audit.Hash      `json:"leaf"`
		Boot    string          `json:"boot"`
		Body    json.RawMessage `json:"body,omitempty"`
		LeftOut string          `json:"left_out,omitempty"`
	}
)

// Source says whose log it is.
type Source struct{ Origin, Version string }

// Event makes the OCSF event of a leaf. It has no error: what this build does
// not know is a base event with its body.
func (s Source) Event(leaf audit.Leaf) Event {
	name := leaf.Body.Type()
	raw, err := json.Marshal(leaf.Body)
	if err != nil || len(raw) > audit.MaxLeaf { // a leaf that was read has one
		raw = nil
	}
	w := wire{Time: leaf.Wall.UnixMilli(), Message: brief(fmt.Sprintf("%s %s by %s", name, leaf.Subject, leaf.Actor))}
	w.Metadata = metadata{Version: Schema, Product: product{"Penstock", "Penstock", s.Version}, UID: leaf.Place().String(), EventCode: brief(name),
		LogName: s.Origin, LogProvider: "penstock", Sequence: uint64(leaf.Index), Correlation: brief(leaf.Subject)}
	w.Unmapped = unmapped{brief(leaf.Subject), leaf.Rev, leaf.Hash, brief(leaf.Boot), raw, ""}
	w.fill(leaf, readBody(raw))
	b := ascii(w)
	if raw == nil || len(b) > maxEvent {
		w.Unmapped.Body, w.Unmapped.LeftOut = nil, "the body is larger than an event may be: it is in the log at "+leaf.Place().String()
		b = ascii(w)
	}
	return Event{leaf.Place(), name, leaf.Wall, w.SeverityID, b}
}

// ascii is v as JSON in one line, in which everything but printable ASCII is
// escaped: nothing in it can end a line, or turn one around.
func ascii(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // of strings, numbers and JSON that was marshalled before
		return []byte("{}")
	}
	out := make([]byte, 0, len(b)+64)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r >= 0x20 && r < 0x7f:
			out = append(out, byte(r))
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		b = b[n:]
	}
	return out
}

// brief bounds a text.
func brief(s string) string {
	if utf8.RuneCountInString(s) <= maxText {
		return s
	}
	return string([]rune(s)[:maxText]) + "…"
}

// text is a field of a body, bounded; "" where there is none.
func (b body) text(key string) string {
	s, _ := b[key].(string)
	return brief(s)
}

func (b body) number(key string) int64 {
	n, _ := b[key].(float64) // below 2^53, as every number of a leaf
	return int64(n)
}

// body is the body of a leaf by its fields' names.
type body map[string]any

func readBody(raw []byte) body {
	b := body{}
	_ = json.Unmarshal(raw, &b) // one that is no object has no fields
	return b
}

// at is where something came from or went to: ADDR:PORT, ADDR, or a name.
func at(s string) *endpoint {
	if s == "" {
		return nil
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return &endpoint{IP: a.Addr().String(), Port: a.Port()}
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return &endpoint{IP: a.String()}
	}
	return &endpoint{Name: brief(s)}
}

// base is the last part of a path.
func base(path string) string {
	return path[strings.LastIndexByte(path, '/')+1:]
}
