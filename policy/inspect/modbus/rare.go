package modbus

import (
	"fmt"
	"strconv"

	"penstock/policy"
)

// diagnosis is one sub-function of function 08 (6.8.1).
type diagnosis struct {
	service string
	need    policy.Rights
}

var diagnoses = map[int]diagnosis{
	0x00: {"return query data", policy.Look},
	0x01: {"restart communications", policy.Look | policy.Operate},
	0x02: {"return diagnostic register", policy.Look},
	0x03: {"change delimiter", policy.Look | policy.Operate},
	0x04: {"force listen only", policy.Look | policy.Operate},
	0x0a: {"clear counters", policy.Look | policy.Operate},
	0x0b: {"return bus message count", policy.Look},
	0x0c: {"return bus error count", policy.Look},
	0x0d: {"return bus exception count", policy.Look},
	0x0e: {"return server message count", policy.Look},
	0x0f: {"return server no-response count", policy.Look},
	0x10: {"return server NAK count", policy.Look},
	0x11: {"return server busy count", policy.Look},
	0x12: {"return overrun count", policy.Look},
	0x14: {"clear overrun counter", policy.Look | policy.Operate},
}

func (s *stream) diagnostics(r *request, rest []byte) {
	if len(rest) < 4 || len(rest)%2 != 0 {
		r.Need = policy.Look
		r.sized(rest, 4)
		return
	}
	sub := word(rest)
	r.Code = fmt.Sprintf("08/%02X", sub)
	d, known := diagnoses[sub]
	if !known {
		r.refuse(ruleFunction, "diagnostics %04X is not carried", sub)
		return
	}
	r.Service, r.Need = d.service, d.need
	if sub != 0 {
		if !r.sized(rest, 4) {
			return
		}
		if v := word(rest[2:]); v != 0 && !(sub == 1 && v == bitOn) && !(sub == 3 && v&0xff == 0) {
			r.refuse(ruleValue, "%s has no data %04X", r.Service, v)
			return
		}
	}
	r.ask.quiet = sub == 1 || sub == 4 // a machine that listens only does not answer
	r.pdu = append(words(fcDiagnostics, sub), rest[2:]...)
}

// readFile reads groups of type, file, record and length (6.14).
func (s *stream) readFile(r *request, rest []byte) {
	r.Need = policy.Look
	if len(rest) < 1 || int(rest[0]) != len(rest)-1 || len(rest) < 8 || len(rest)-1 > mostFileBytes || (len(rest)-1)%7 != 0 {
		r.refuse(ruleValue, "%s: groups of 7 bytes, at most %d bytes, their number before them", r.Service, mostFileBytes)
		return
	}
	r.pdu = []byte{fcReadFile, rest[0]}
	answer := 0
	for g := rest[1:]; len(g) > 0; g = g[7:] {
		n := word(g[5:])
		if !r.record(g, n) {
			return
		}
		answer += 2 + 2*n
		r.pdu = append(append(r.pdu, referenceType), words(0, word(g[1:]), word(g[3:]), n)[1:]...)
	}
	if answer > mostFileBytes {
		r.refuse(ruleValue, "%s: an answer of %d bytes, at most %d fit", r.Service, answer, mostFileBytes)
		return
	}
	if r.Need |= s.sheet.unlisted.Read; s.sheet.unlisted.Read == 0 {
		r.refuse(ruleObject, "reads of what the register sheet does not name are closed; files are not named there")
	}
}

// writeFile writes such groups, each with its words behind it (6.15).
func (s *stream) writeFile(r *request, rest []byte) {
	r.Need = policy.Look | policy.Set
	if len(rest) < 1 || int(rest[0]) != len(rest)-1 || len(rest) < 10 || len(rest)-1 > mostPDU-2 {
		r.refuse(ruleValue, "%s: records of at least 9 bytes, their number before them", r.Service)
		return
	}
	r.pdu = []byte{fcWriteFile, rest[0]}
	for g := rest[1:]; len(g) > 0; {
		if len(g) < 7 || len(g) < 7+2*word(g[5:]) {
			r.refuse(ruleValue, "%s: a record is cut off", r.Service)
			return
		}
		n := word(g[5:])
		if !r.record(g, n) {
			return
		}
		r.pdu = append(append(r.pdu, referenceType), words(0, word(g[1:]), word(g[3:]), n)[1:]...)
		r.pdu = append(r.pdu, g[7:7+2*n]...)
		g = g[7+2*n:]
	}
	if s.sheet.unlisted.Write == 0 {
		r.refuse(ruleObject, "writes to what the register sheet does not name are closed; files are not named there")
	}
	r.Need = policy.Look | s.sheet.unlisted.Write
}

// record holds one group to what a file can have.
func (r *request) record(g []byte, n int) bool {
	file, at := word(g[1:]), word(g[3:])
	if r.Object == "" {
		r.Object = "file " + strconv.Itoa(file) + " record " + strconv.Itoa(at)
	}
	r.Count += n
	if g[0] != referenceType || file == 0 || n == 0 || at+n-1 > mostRecord {
		r.refuse(ruleValue, "%s: type %d, file %d, %d records from %d on", r.Service, g[0], file, n, at)
		return false
	}
	return true
}

// encapsulated is device identification, or CANopen, which can write (6.19).
func (s *stream) encapsulated(r *request, rest []byte) {
	if len(rest) < 1 {
		r.Need = policy.Look
		r.sized(rest, 3)
		return
	}
	r.Code = fmt.Sprintf("2B/%02X", rest[0])
	switch rest[0] {
	case meiIdentity:
		r.Service, r.Need = "read device identification", policy.Look
		if !r.sized(rest, 3) {
			return
		}
		if rest[1] < basicStream || rest[1] > specific {
			r.refuse(ruleValue, "device identification has no code %02X", rest[1])
			return
		}
		r.pdu = []byte{fcEncapsulated, meiIdentity, rest[1], rest[2]}
	case meiCANopen:
		r.Service, r.Need = "CANopen", policy.Look|policy.Load
		r.pdu = append([]byte{fcEncapsulated}, rest...)
	default:
		r.refuse(ruleFunction, "encapsulated interface %02X is not carried", rest[0])
	}
}

// umas is Schneider's own protocol inside function 5A: session key, code, and
// what only its two ends know. All of it counts as load: a client reserves the
// machine, and reads and writes its program, with the same few codes.
func (s *stream) umas(r *request, rest []byte) {
	r.Need = policy.Look | policy.Load
	if !s.sheet.umas {
		r.refuse(ruleFunction, "the plant file does not say that this machine speaks UMAS")
		return
	}
	if len(rest) < 2 {
		r.sized(rest, 2)
		return
	}
	r.Code, r.Service = fmt.Sprintf("5A/%02X", rest[1]), umasService(rest[1])
	r.pdu = append([]byte{fcUMAS}, rest...)
}

func umasService(code byte) string {
	switch code {
	case 0x10, 0x11, 0x12:
		return "UMAS reservation"
	case 0x21, 0x23, 0x25, 0x29, 0x71:
		return "UMAS write"
	case umasDownload, 0x31, umasDownloaded:
		return "UMAS download"
	case umasUpload, 0x34, umasUploaded:
		return "UMAS upload"
	case 0x36:
		return "UMAS backup or restore"
	case 0x40:
		return "UMAS start"
	case 0x41:
		return "UMAS stop"
	case 0x42:
		return "UMAS initialise"
	case 0x43:
		return "UMAS swap"
	case 0x60, 0x61, 0x62, 0x63, 0x64:
		return "UMAS debug"
	}
	return "UMAS"
}

const (
	umasDownload, umasDownloaded = 0x30, 0x32
	umasUpload, umasUploaded     = 0x33, 0x35
	umasYes, umasNo              = 0xfe, 0xfd
)
