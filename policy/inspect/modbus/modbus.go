// Package modbus reads along in Modbus/TCP: the Modbus application protocol
// V1.1b3 over the header of the messaging guide V1.0b, and UMAS inside it.
//
// A function that is not known, or whose form is not, is refused; so is a
// request whose length is not the one that its function has. What goes on is
// made anew from the fields that were understood. Answers are matched with
// requests by transaction, unit and function, and made anew as well.
//
// It trusts neither end. It does not know what a register does: the plant's
// sheet says what reading and writing it takes, and a machine may act on a read
// that no sheet names.
package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"

	"penstock/policy"
	"penstock/policy/inspect"
)

// stream is one connection of a client.
type stream struct {
	sheet   *sheet
	in, out framer
	tag     uint64
	asked   map[uint16]ask // by transaction
	seen    seen
	half    bool // a UMAS transfer is under way

	one     [1]inspect.Request // room for what a read mostly holds
	oneBack [1]inspect.Answer
	again   []byte // room for an answer's PDU
}

// ask is a request that waits for its answer. It has at most 128 bytes: a map
// keeps that in place, and makes garbage of more.
type ask struct {
	tag    uint64
	unit   byte
	pdu    []byte  // as forwarded
	reads  objects // whose values the answer has
	writes span    // what is known once the machine has said yes
	quiet  bool    // no answer is due, though one may come
}

// New reads one stream to a port. An error is a sheet that contradicts itself.
func New(port policy.Port) (inspect.Inspector, error) {
	s := &stream{asked: map[uint16]ask{}}
	return s, s.Use(port)
}

// Use puts a sheet into force.
func (s *stream) Use(port policy.Port) error {
	sheet, err := newSheet(port)
	if err != nil {
		return err
	}
	s.sheet, s.in.long, s.out.long = sheet, port.UMAS, port.UMAS
	return nil
}

func (s *stream) Begun() (vendor, target bool) { return len(s.in.rest) > 0, len(s.out.rest) > 0 }

func (s *stream) HalfDone() bool { return s.half }

// FromVendor takes the client's bytes.
func (s *stream) FromVendor(p []byte) (all []inspect.Request, err error) {
	all = s.one[:0]
	err = s.in.take(p, func(adu []byte) error {
		transaction := binary.BigEndian.Uint16(adu)
		if old, twice := s.asked[transaction]; twice && !old.quiet {
			return fmt.Errorf("transaction %d is asked again before its answer", transaction)
		}
		var r request
		s.request(&r, adu[6], adu[headerSize:])
		s.tag++
		r.ask.tag, r.ask.unit = s.tag, adu[6]
		if len(s.asked) >= mostAsked {
			return fmt.Errorf("more than %d requests without an answer", mostAsked)
		}
		if r.wrong == nil {
			r.ask.pdu = r.pdu
		} else {
			r.ask.pdu = append([]byte(nil), adu[headerSize]) // for Deny: its function
		}
		s.asked[transaction] = r.ask
		all = append(all, inspect.Request{Operation: r.Operation, Wrong: r.wrong, Tag: uint64(transaction)<<48 | s.tag&tagMask, Silent: r.ask.quiet})
		if r.wrong == nil {
			all[len(all)-1].Forward = frame(transaction, adu[6], r.pdu)
		}
		return nil
	})
	return all, err
}

const (
	tagMask   = 1<<48 - 1
	mostAsked = 8192 // above what one read of the pump can hold
)

// Deny answers for the machine. 05 and 06 are never used: a client would try
// the same again for ever.
func (s *stream) Deny(r inspect.Request, no *policy.Refusal, has policy.Rights) []byte {
	transaction := uint16(r.Tag >> 48)
	a, there := s.asked[transaction]
	if !there || a.tag&tagMask != r.Tag&tagMask {
		return nil
	}
	delete(s.asked, transaction)
	return frame(transaction, a.unit, []byte{a.pdu[0] | 0x80, exceptionFor(r, no, has)})
}

func exceptionFor(r inspect.Request, no *policy.Refusal, has policy.Rights) byte {
	switch no.Rule {
	case ruleFunction:
		return illegalFunction
	case ruleObject, ruleAgreed:
		return illegalAddress
	case ruleValue, ruleLimits:
		return illegalValue
	case ruleUnit:
		return noPath
	}
	if r.Object == "" || len(r.Changes) > 0 && has&^(policy.Look|policy.Copy) == 0 {
		return illegalFunction // this client may write nothing at all
	}
	return illegalAddress
}

// FromTarget takes the machine's bytes.
func (s *stream) FromTarget(p []byte) (all []inspect.Answer, err error) {
	all = s.oneBack[:0]
	err = s.out.take(p, func(adu []byte) error {
		transaction := binary.BigEndian.Uint16(adu)
		a, there := s.asked[transaction]
		if !there {
			return fmt.Errorf("an answer to transaction %d, which nobody asked", transaction)
		}
		if a.unit != adu[6] {
			return fmt.Errorf("unit %d answers what unit %d was asked", adu[6], a.unit)
		}
		pdu, one, err := s.answer(a, adu[headerSize:])
		if err != nil {
			return fmt.Errorf("answer to function %02X: %w", a.pdu[0], err)
		}
		delete(s.asked, transaction)
		one.Forward, one.Tag = frame(transaction, a.unit, pdu), uint64(transaction)<<48|a.tag&tagMask
		all = append(all, one)
		return nil
	})
	return all, err
}

// Gone says for each request without an answer that the machine is not there.
func (s *stream) Gone() (all []inspect.Answer) {
	for transaction, a := range s.asked {
		if a.quiet {
			continue
		}
		all = append(all, inspect.Answer{Forward: frame(transaction, a.unit, []byte{a.pdu[0] | 0x80, noAnswer}),
			Tag: uint64(transaction)<<48 | a.tag&tagMask, Outcome: "the machine left without an answer", Failed: true})
	}
	clear(s.asked)
	return all
}

// The header of the messaging guide V1.0b, 3.1.3: transaction, protocol,
// length of what follows, unit.
const (
	headerSize = 7
	mostPDU    = 253
	mostUMAS   = 4096 // bytes of a UMAS PDU, above the 253 of the specification
)

func frame(transaction uint16, unit byte, pdu []byte) []byte {
	b := make([]byte, 0, headerSize+len(pdu))
	b = binary.BigEndian.AppendUint16(b, transaction)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(pdu)+1))
	return append(append(b, unit), pdu...)
}

// framer cuts one direction into whole units.
type framer struct {
	long bool // UMAS may be longer than the rest
	rest []byte
}

// take gives each whole unit of what is there; the bytes are good for the call.
func (f *framer) take(p []byte, each func(adu []byte) error) error {
	if len(f.rest) > 0 {
		p = append(f.rest, p...)
	}
	f.rest = f.rest[:0]
	for {
		n, err := f.size(p)
		if err != nil {
			return err
		}
		if n == 0 || n > len(p) {
			if cap(f.rest) > 4*mostPDU && len(p) < mostPDU {
				f.rest = nil // a rush is over
			}
			f.rest = append(f.rest, p...)
			return nil
		}
		if err := each(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
}

// size is the length of the unit that p begins with, 0 where more must come to tell.
func (f *framer) size(p []byte) (int, error) {
	if len(p) >= 4 && binary.BigEndian.Uint16(p[2:]) != 0 {
		return 0, errors.New("no Modbus/TCP: the protocol field is not 0")
	}
	if len(p) < 6 {
		return 0, nil
	}
	n := int(binary.BigEndian.Uint16(p[4:]))
	switch {
	case n < 2:
		return 0, fmt.Errorf("no Modbus/TCP: a unit of length %d", n)
	case n <= mostPDU+1:
		return 6 + n, nil
	case !f.long || n > mostUMAS+1:
		return 0, fmt.Errorf("no Modbus/TCP: a unit of length %d", n)
	case len(p) <= headerSize:
		return 0, nil
	case p[headerSize] != fcUMAS:
		return 0, fmt.Errorf("function %02X in a unit of length %d", p[headerSize], n)
	}
	return 6 + n, nil
}
