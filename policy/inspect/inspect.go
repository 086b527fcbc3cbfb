// Package inspect is the frame for reading along in a machine's protocol:
// bytes become whole requests, a request is an operation that needs rights,
// and what is allowed goes on as bytes that were made anew from what was
// understood. A protocol is a package below this one.
//
// It gives the words and the contract. It decides nothing about people: who
// pumps the bytes asks policy for each operation. It is no safety function: a
// machine may act on a read, and only the plant's register sheet says so.
package inspect

import (
	"slices"

	"penstock/policy"
)

// Operation is one thing that a client asks of a machine.
type Operation struct {
	Service string        // in the protocol's words: "write single register"
	Code    string        // of the service: "06", "08/04"
	Unit    int           // which machine behind the address
	Object  string        // the first object: "holding 12"; empty: none
	Count   int           // of objects, from Object on
	Names   []string      // that the register sheet has for them, at most MostNames
	Need    policy.Rights // what it takes; never without look, 0: nothing allows it
	Changes []Change      // at most MostChanges
	More    int           // changes above those
}

// Bounds of what an Operation tells.
const (
	MostChanges = 32
	MostNames   = 4
)

// Change is a value that an operation would make. Old is what a client of this
// stream last saw there; empty: nobody has looked.
type Change struct{ Object, Name, Old, New string }

// Request is one whole request of a client.
type Request struct {
	Operation
	Forward []byte          // made anew from what was understood; the caller's to keep
	Wrong   *policy.Refusal // refused whatever the rights are; nil: rights decide
	Tag     uint64          // the inspector's own, for Deny; an Answer has it too
	Silent  bool            // the machine need not answer
}

// Answer is what a machine said to one request, or a piece of it.
type Answer struct {
	Forward []byte // for the client, made anew
	Tag     uint64 // of the request that it ends
	Outcome string // "done", or why not, in the protocol's words
	Failed  bool   // the machine said no
}

// Inspector reads one stream. It is called by one goroutine at a time, keeps at
// most one largest frame of each direction, and never gives a part of one on.
// After an error the stream is of no use: what is not understood is not passed
// on, and no new beginning is looked for.
type Inspector interface {
	// FromVendor takes the client's next bytes and gives the requests that they
	// complete, in order. They are good until the next call, and must be decided
	// before it: allowed ones wait for an answer from then on, the others go to Deny.
	FromVendor(p []byte) ([]Request, error)
	// Deny gives the protocol's own no for a request of the last FromVendor: the
	// machine never sees it. has are the rights that the client does have.
	Deny(r Request, no *policy.Refusal, has policy.Rights) []byte
	// FromTarget takes the machine's next bytes and gives the answers that they
	// complete, good until the next call.
	FromTarget(p []byte) ([]Answer, error)
	// Gone gives the protocol's own words for each request that is without an
	// answer when the machine has left; none are waited for any more.
	Gone() []Answer
	// Begun says which direction has part of a frame: the rest of it must come soon.
	Begun() (vendor, target bool)
	// HalfDone says that a transfer is under way which should not be broken off.
	HalfDone() bool
	// Use puts another register sheet into force, from the next request on.
	Use(port policy.Port) error
}

// New makes an inspector for one stream to a port.
type New func(port policy.Port) (Inspector, error)

// All are the inspectors of a build, by the port's name.
type All map[policy.PortName]New

// Names are the ports that have an inspector, for policy.Options.
func (a All) Names() []string {
	names := make([]string, 0, len(a))
	for n := range a {
		names = append(names, string(n))
	}
	slices.Sort(names)
	return names
}
