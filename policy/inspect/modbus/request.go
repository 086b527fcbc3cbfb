package modbus

import (
	"encoding/binary"
	"fmt"

	"penstock/policy"
	"penstock/policy/inspect"
)

// Functions of the application protocol V1.1b3, chapter 6, and of makers.
const (
	fcReadCoils, fcReadDiscrete, fcReadHolding, fcReadInput = 0x01, 0x02, 0x03, 0x04
	fcWriteCoil, fcWriteRegister                            = 0x05, 0x06
	fcExceptionStatus, fcDiagnostics                        = 0x07, 0x08
	fcEventCounter, fcEventLog                              = 0x0b, 0x0c
	fcWriteCoils, fcWriteRegisters                          = 0x0f, 0x10
	fcServerID, fcReadFile, fcWriteFile                     = 0x11, 0x14, 0x15
	fcMaskWrite, fcReadWrite, fcReadFIFO                    = 0x16, 0x17, 0x18
	fcEncapsulated                                          = 0x2b
	fcUMAS                                                  = 0x5a

	meiIdentity, meiCANopen = 0x0e, 0x0d

	illegalFunction, illegalAddress, illegalValue = 0x01, 0x02, 0x03
	noPath, noAnswer                              = 0x0a, 0x0b

	mostBitsRead, mostBitsWritten       = 2000, 1968
	mostWordsRead, mostWordsWritten     = 125, 123
	mostWordsExchanged                  = 121 // written by function 17
	mostRecord, mostFileBytes           = 9999, 0xf5
	bitOn                               = 0xff00
	referenceType                       = 6
	mostFIFO                            = 31
	basicStream, regular, all, specific = 1, 2, 3, 4 // of device identification
)

// request is one that was read.
type request struct {
	inspect.Operation
	pdu   []byte // made anew; nothing where wrong
	wrong *policy.Refusal
	ask   ask
}

func (r *request) refuse(rule, format string, args ...any) {
	if r.wrong == nil {
		r.wrong = refuse(rule, format, args...)
	}
}

// needs adds what a part of the request takes, or the sheet's no.
func (r *request) needs(rights policy.Rights, no *policy.Refusal) {
	r.Need |= rights
	if r.wrong == nil {
		r.wrong = no
	}
}

// request reads a PDU of at least one byte.
func (s *stream) request(r *request, unit byte, pdu []byte) {
	fc, rest := pdu[0], pdu[1:]
	r.Unit, r.Code = int(unit), codes[fc]
	if unit != s.sheet.unit {
		r.refuse(ruleUnit, "this way in is for unit %d, and unit %d was asked", s.sheet.unit, unit)
	}
	read := &readers[fc]
	if read.read == nil {
		r.Service, r.Need = notCarried(fc)
		r.refuse(ruleFunction, "%s is not carried", r.Service)
		return
	}
	r.Service = read.service
	read.read(s, r, rest)
	if s.sheet.only != nil && (r.Need&^harmless != 0 && !byRegister[fc] || fc == fcWriteFile) { // it changes something, however little the sheet asks for it
		r.needs(0, notAgreed(r.Service))
	}
}

// byRegister are the functions whose objects the sheet judges one by one.
var byRegister = [256]bool{fcReadCoils: true, fcReadDiscrete: true, fcReadHolding: true, fcReadInput: true, fcWriteCoil: true, fcWriteRegister: true,
	fcWriteCoils: true, fcWriteRegisters: true, fcMaskWrite: true, fcReadWrite: true, fcReadFIFO: true}

// notCarried names what is refused whoever asks: what is not known, and what
// has no published form that could be checked.
func notCarried(fc byte) (service string, need policy.Rights) {
	switch fc {
	case 0x09, 0x0a, 0x0d, 0x0e, 0x12, 0x13, 0x7e:
		return fmt.Sprintf("programming function %02X", fc), policy.Look | policy.Load
	case 0x28:
		return "Concept programming", policy.Look | policy.Load
	case 0x29:
		return "several functions in one", policy.Look | policy.Load
	case 0x7d:
		return "firmware replacement", policy.Look | policy.Device
	}
	return fmt.Sprintf("function %02X", fc), 0
}

type reader struct {
	service string
	read    func(*stream, *request, []byte)
}

// readers are the functions that are carried; codes are all of them as a row has them.
var (
	readers [256]reader
	codes   [256]string
)

func init() { // a literal would be a cycle
	for fc := range codes {
		codes[fc] = fmt.Sprintf("%02X", fc)
	}
	readers = [256]reader{
		fcReadCoils:       {"read coils", reads(coil, mostBitsRead)},
		fcReadDiscrete:    {"read discrete inputs", reads(discrete, mostBitsRead)},
		fcReadHolding:     {"read holding registers", reads(holding, mostWordsRead)},
		fcReadInput:       {"read input registers", reads(input, mostWordsRead)},
		fcWriteCoil:       {"write single coil", (*stream).writeCoil},
		fcWriteRegister:   {"write single register", (*stream).writeRegister},
		fcExceptionStatus: {"read exception status", bare(fcExceptionStatus)},
		fcDiagnostics:     {"diagnostics", (*stream).diagnostics},
		fcEventCounter:    {"read event counter", bare(fcEventCounter)},
		fcEventLog:        {"read event log", bare(fcEventLog)},
		fcWriteCoils:      {"write coils", (*stream).writeCoils},
		fcWriteRegisters:  {"write registers", (*stream).writeRegisters},
		fcServerID:        {"report server id", bare(fcServerID)},
		fcReadFile:        {"read file records", (*stream).readFile},
		fcWriteFile:       {"write file records", (*stream).writeFile},
		fcMaskWrite:       {"mask write register", (*stream).maskWrite},
		fcReadWrite:       {"write and read registers", (*stream).readWrite},
		fcReadFIFO:        {"read FIFO queue", (*stream).readFIFO},
		fcEncapsulated:    {"encapsulated interface", (*stream).encapsulated},
		fcUMAS:            {"UMAS", (*stream).umas},
	}
}

// sized says whether the request has the one length that its function has.
func (r *request) sized(rest []byte, n int) bool {
	if len(rest) != n {
		r.refuse(ruleValue, "%s of %d bytes, where it has %d", r.Service, len(rest)+1, n+1)
		return false
	}
	return true
}

// bare are functions without anything behind them.
func bare(fc byte) func(*stream, *request, []byte) {
	return func(_ *stream, r *request, rest []byte) {
		r.Need = policy.Look
		if r.sized(rest, 0) {
			r.pdu = []byte{fc}
		}
	}
}

// about says what the request is about, within what a table can hold.
func (s *stream) about(r *request, t table, at, n, most int) bool {
	r.Object, r.Count = t.at(at), n
	switch {
	case n < 1 || n > most:
		r.refuse(ruleValue, "%s of %d objects, at most %d go in one request", r.Service, n, most)
	case at+n > 1<<16:
		r.refuse(ruleObject, "%s and the %d after it go beyond the table's end", r.Object, n-1)
	default:
		r.Names = s.sheet.names(t, at, n)
		return true
	}
	return false
}

func reads(t table, most int) func(*stream, *request, []byte) {
	fc := map[table]byte{coil: fcReadCoils, discrete: fcReadDiscrete, holding: fcReadHolding, input: fcReadInput}[t]
	return func(s *stream, r *request, rest []byte) {
		r.Need = policy.Look
		if !r.sized(rest, 4) {
			return
		}
		at, n := word(rest), word(rest[2:])
		if !s.about(r, t, at, n, most) {
			return
		}
		r.needs(s.sheet.reading(t, at, n))
		r.ask.reads = objects{t, at, n}
		r.pdu = words(fc, at, n)
	}
}

// writes judges the writing of words, and remembers them for when the machine
// has said yes.
func (s *stream) writes(r *request, t table, at int, values []uint16) {
	r.needs(s.sheet.writing(t, at, values, false))
	r.Changes, r.More = s.sheet.changes(&s.seen, t, at, values)
	r.ask.writes = span{t: t, at: at, words: values}
}

func (s *stream) writeCoil(r *request, rest []byte) {
	r.Need = policy.Look | policy.Set
	if !r.sized(rest, 4) || !s.about(r, coil, word(rest), 1, 1) {
		return
	}
	v := word(rest[2:])
	if v != 0 && v != bitOn {
		r.refuse(ruleValue, "a coil is written with 0000 or FF00, not %04X", v)
		return
	}
	r.Need = 0
	s.writes(r, coil, word(rest), []uint16{uint16(v) / bitOn})
	r.pdu = words(fcWriteCoil, word(rest), v)
}

func (s *stream) writeRegister(r *request, rest []byte) {
	r.Need = policy.Look | policy.Set
	if !r.sized(rest, 4) || !s.about(r, holding, word(rest), 1, 1) {
		return
	}
	r.Need = 0
	s.writes(r, holding, word(rest), []uint16{uint16(word(rest[2:]))})
	r.pdu = words(fcWriteRegister, word(rest), word(rest[2:]))
}

// block reads address, quantity and byte count before values.
func (s *stream) block(r *request, t table, rest []byte, most int) (at, n int, values []byte, ok bool) {
	r.Need = policy.Look | policy.Set
	if len(rest) < 5 {
		r.sized(rest, 5)
		return
	}
	at, n = word(rest), word(rest[2:])
	bytes := 2 * n
	if t.bit() {
		bytes = (n + 7) / 8
	}
	if !s.about(r, t, at, n, most) || !r.sized(rest, 5+bytes) {
		return
	}
	if int(rest[4]) != bytes {
		r.refuse(ruleValue, "%d objects are %d bytes, and the request says %d", n, bytes, rest[4])
		return
	}
	r.Need = 0
	return at, n, rest[5:], true
}

func (s *stream) writeCoils(r *request, rest []byte) {
	at, n, values, ok := s.block(r, coil, rest, mostBitsWritten)
	if !ok {
		return
	}
	bits := bitsOf(values, n)
	s.writes(r, coil, at, bits)
	r.pdu = append(words(fcWriteCoils, at, n), byte(len(values)))
	r.pdu = append(r.pdu, packed(bits)...)
}

func (s *stream) writeRegisters(r *request, rest []byte) {
	at, n, values, ok := s.block(r, holding, rest, mostWordsWritten)
	if !ok {
		return
	}
	s.writes(r, holding, at, wordsOf(values))
	r.pdu = append(words(fcWriteRegisters, at, n), byte(len(values)))
	r.pdu = append(r.pdu, values...)
}

// maskWrite changes single bits: (now AND and) OR (or AND NOT and). Only with
// an AND of 0 is it known what comes of it.
func (s *stream) maskWrite(r *request, rest []byte) {
	r.Need = policy.Look | policy.Set
	if !r.sized(rest, 6) || !s.about(r, holding, word(rest), 1, 1) {
		return
	}
	at, and, or := word(rest), uint16(word(rest[2:])), uint16(word(rest[4:]))
	r.Need = 0
	r.needs(s.sheet.writing(holding, at, []uint16{or}, and != 0))
	one := inspect.Change{Object: holding.at(at), New: fmt.Sprintf("and %04X or %04X", and, or)}
	if len(r.Names) > 0 {
		one.Name = r.Names[0]
	}
	if now := s.seen.words(holding, at, 1); len(now) > 0 {
		one.Old = fmt.Sprintf("%04X", now[0])
		r.ask.writes = span{t: holding, at: at, words: []uint16{now[0]&and | or&^and}}
	}
	r.Changes = []inspect.Change{one}
	r.pdu = words(fcMaskWrite, at, int(and), int(or))
}

// readWrite writes first and reads then (6.17): it is a write.
func (s *stream) readWrite(r *request, rest []byte) {
	r.Need = policy.Look | policy.Set
	if len(rest) < 9 {
		r.sized(rest, 9)
		return
	}
	from, count := word(rest), word(rest[2:])
	if !s.about(r, holding, from, count, mostWordsRead) {
		return
	}
	at, _, values, ok := s.block(r, holding, rest[4:], mostWordsExchanged)
	if !ok {
		return
	}
	r.needs(s.sheet.reading(holding, from, count))
	s.writes(r, holding, at, wordsOf(values))
	r.ask.reads = objects{holding, from, count}
	r.pdu = append(words(fcReadWrite, from, count, at, len(values)/2), byte(len(values)))
	r.pdu = append(r.pdu, values...)
}

// readFIFO reads a queue by the register that points to it (6.18).
func (s *stream) readFIFO(r *request, rest []byte) {
	r.Need = policy.Look
	if !r.sized(rest, 2) || !s.about(r, holding, word(rest), 1, 1) {
		return
	}
	r.needs(s.sheet.reading(holding, word(rest), 1))
	r.pdu = words(fcReadFIFO, word(rest))
}

// A word is two bytes, the high one first.
func word(b []byte) int { return int(binary.BigEndian.Uint16(b)) }

func words(fc byte, all ...int) []byte {
	b := make([]byte, 1, 1+2*len(all)+1)
	b[0] = fc
	for _, w := range all {
		b = binary.BigEndian.AppendUint16(b, uint16(w))
	}
	return b
}

func wordsOf(b []byte) []uint16 {
	all := make([]uint16, len(b)/2)
	for i := range all {
		all[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return all
}

// bitsOf are n bits, the lowest of the first byte first, as words of 0 and 1.
func bitsOf(b []byte, n int) []uint16 {
	all := make([]uint16, n)
	for i := range all {
		all[i] = uint16(b[i/8]>>(i%8)) & 1
	}
	return all
}

// packed is the other way about; what is left of the last byte is 0.
func packed(bits []uint16) []byte {
	b := make([]byte, (len(bits)+7)/8)
	for i, on := range bits {
		b[i/8] |= byte(on) << (i % 8)
	}
	return b
}
