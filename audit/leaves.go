package audit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// One struct for each event type, with a line of meaning, in the file of its
// subject. Adding one there, and to that file's events, is the only change that a
// new event needs in audit, but for how a SIEM is told of it: a line in
// siem/mapping.go and in README.md.
// Fields are strings, integers below 2^53, booleans, times (UTC) and hashes;
// never floats. A body says all that a fold needs: a fold never uses the
// leaf's index or wall time in a row's value.

// LogCreated is the first leaf of every log; Bootstrap names the file of the
// first people, their roles and keys.
type LogCreated struct {
	Origin    string `json:"origin"`
	Bootstrap Hash   `json:"bootstrap"`
}

// LogRecovered says that a torn tail was cut at start. Lost counts bytes after the last whole leaf.
type LogRecovered struct {
	Lost int64 `json:"lost"`
	Size Index `json:"size"`
}

// NodeStarted and NodeStopped frame one life of the process. Receipts is the
// public key (Ed25519, base64url) of the receipts that it signs in that life.
type NodeStarted struct {
	Version  string `json:"version"`
	Receipts string `json:"receipts,omitempty"`
}
type NodeStopped struct{}

// ClockStepped says that the wall clock stands behind the last leaf's, or
// jumped against CLOCK_BOOTTIME by Millis. Sessions wait for ClockAccepted by two people.
type ClockStepped struct {
	Millis int64 `json:"millis"`
}

// ClockAccepted is one person's word that the clock is right again. Proof is
// "key" or "password", never a code.
type ClockAccepted struct {
	Person string    `json:"person"`
	At     time.Time `json:"at"`
	Proof  string    `json:"proof"`
}

// CheckpointTaken: Person takes the newest checkpoint in hand, by Way ("page" or
// "command"), and keeps it outside on their own word. It is written before the
// checkpoint is given out, and under it.
type CheckpointTaken struct {
	Person string `json:"person"`
	Way    string `json:"way"`
}

// OutsideChanged: copies outside passed a limit, or a place contradicts this log
// (Alarm says which, in words); empty Alarm: that is over.
type OutsideChanged struct {
	Alarm string `json:"alarm,omitempty"`
}

// EvidenceAsked is written before the first byte of an evidence pack of Window,
// and is in it; Exports says that what passed was put in, readable. EvidenceDelivered:
// all of it went out, SHA256 and Bytes are the whole file's.
type EvidenceAsked struct {
	Window  string `json:"window"`
	Person  string `json:"person"`
	Exports bool   `json:"exports,omitempty"`
}
type EvidenceDelivered struct {
	Window string `json:"window"`
	Person string `json:"person"`
	SHA256 Hash   `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// BackupTaken is written before the first byte of a backup, and is in it. Keys
// is the age recipient that the keys in it are sealed to; empty: it has none.
type BackupTaken struct {
	Person string `json:"person"`
	Keys   string `json:"keys,omitempty"`
}

// BackupRestored says that this log was brought back from a backup of Size
// leaves, and that what was written after that is lost. Outside is the size of
// the newest checkpoint that somebody kept elsewhere and showed at the
// restoring; 0: none was shown.
type BackupRestored struct {
	Size    Index     `json:"size"`
	Taken   time.Time `json:"taken"`
	At      time.Time `json:"at"`
	Outside Index     `json:"outside"`
}

var _ = events(LogCreated{}, LogRecovered{}, NodeStarted{}, NodeStopped{}, ClockStepped{}, ClockAccepted{}, CheckpointTaken{},
	OutsideChanged{}, EvidenceAsked{}, EvidenceDelivered{}, BackupTaken{}, BackupRestored{})

func (LogCreated) Type() string        { return "log.created" }
func (LogRecovered) Type() string      { return "log.recovered" }
func (NodeStarted) Type() string       { return "node.started" }
func (NodeStopped) Type() string       { return "node.stopped" }
func (ClockStepped) Type() string      { return "clock.stepped" }
func (ClockAccepted) Type() string     { return "clock.accepted" }
func (CheckpointTaken) Type() string   { return "checkpoint.taken" }
func (OutsideChanged) Type() string    { return "outside.changed" }
func (EvidenceAsked) Type() string     { return "evidence.asked" }
func (EvidenceDelivered) Type() string { return "evidence.delivered" }
func (BackupTaken) Type() string       { return "backup.taken" }
func (BackupRestored) Type() string    { return "backup.restored" }

// bodies are the types of event that this build knows, by name; each file of
// leaves puts its own in.
var bodies = map[string]reflect.Type{}

func events(all ...Body) bool {
	for _, b := range all {
		if bodies[b.Type()] != nil {
			panic("two events of type " + b.Type())
		}
		bodies[b.Type()] = reflect.TypeOf(b)
	}
	return true
}

// Bodies are an empty one of every type of event, by name: for whoever must
// have words for all of them.
func Bodies() map[string]Body {
	all := map[string]Body{}
	for name, t := range bodies {
		all[name] = reflect.Zero(t).Interface().(Body)
	}
	return all
}

// Unknown is an event of a type that this build does not know, kept as it came.
type Unknown struct {
	Name string
	Raw  json.RawMessage
}

func (u Unknown) Type() string                 { return u.Name }
func (u Unknown) MarshalJSON() ([]byte, error) { return u.Raw, nil }

// decodeBody makes the struct for an event's type; a known type with a body
// that does not fit, or has a field more, is an error; an unknown type is an
// Unknown.
func decodeBody(name string, raw json.RawMessage) (Body, error) {
	t, ok := bodies[name]
	if !ok {
		return Unknown{name, raw}, nil
	}
	v := reflect.New(t)
	if err := strictly(raw, v.Interface()); err != nil {
		return nil, fmt.Errorf("body of %s: %w", name, err)
	}
	return v.Elem().Interface().(Body), nil
}
