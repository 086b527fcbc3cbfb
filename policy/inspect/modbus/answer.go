package modbus

import (
	"bytes"
	"errors"
	"fmt"

	"penstock/policy/inspect"
)

var (
	errLength = errors.New("another length than was asked for")
	errEcho   = errors.New("it repeats something else than was asked")
)

// answer reads a PDU of at least one byte that answers a, and makes it anew.
func (s *stream) answer(a ask, pdu []byte) (again []byte, one inspect.Answer, err error) {
	fc, rest := a.pdu[0], pdu[1:]
	if pdu[0] == fc|0x80 {
		if len(rest) != 1 {
			return nil, one, errLength
		}
		return []byte{pdu[0], rest[0]}, inspect.Answer{Outcome: "the machine refused: " + exceptionName(rest[0]), Failed: true}, nil
	}
	if pdu[0] != fc {
		return nil, one, fmt.Errorf("it is for function %02X", pdu[0])
	}
	if again, err = s.yes(a, fc, rest); err != nil {
		return nil, one, err
	}
	one.Outcome = "done"
	if fc == fcUMAS {
		one.Outcome, one.Failed = s.umasOutcome(a, rest)
	}
	if len(a.writes.words) > 0 {
		s.seen.note(a.writes.t, a.writes.at, a.writes.words)
	}
	return again, one, nil
}

// yes makes the answer to what the machine has done anew.
func (s *stream) yes(a ask, fc byte, rest []byte) ([]byte, error) {
	switch fc {
	case fcReadCoils, fcReadDiscrete:
		return s.values(a, fc, rest, (a.reads.n+7)/8)
	case fcReadHolding, fcReadInput, fcReadWrite:
		return s.values(a, fc, rest, 2*a.reads.n)
	case fcWriteCoil, fcWriteRegister, fcMaskWrite, fcDiagnostics:
		return echo(a, fc, rest)
	case fcWriteCoils, fcWriteRegisters:
		if !bytes.Equal(rest, a.pdu[1:5]) {
			return nil, errEcho
		}
		return append([]byte{fc}, rest...), nil
	case fcWriteFile:
		if !bytes.Equal(rest, a.pdu[1:]) {
			return nil, errEcho
		}
		return append([]byte{fc}, rest...), nil
	case fcReadFile:
		return fileAnswer(a, rest)
	case fcReadFIFO:
		return fifoAnswer(rest)
	case fcEncapsulated:
		return encapsulatedAnswer(a, rest)
	}
	return statusAnswer(fc, rest)
}

// values are the words or bits that were asked for.
func (s *stream) values(a ask, fc byte, rest []byte, n int) ([]byte, error) {
	if len(rest) != n+1 || int(rest[0]) != n {
		return nil, errLength
	}
	if a.reads.t.bit() {
		bits := bitsOf(rest[1:], a.reads.n)
		s.seen.note(a.reads.t, a.reads.at, bits)
		return append([]byte{fc, rest[0]}, packed(bits)...), nil
	}
	s.seen.note(a.reads.t, a.reads.at, wordsOf(rest[1:]))
	s.again = append(append(s.again[:0], fc), rest...)
	return s.again, nil
}

// echo is an answer that repeats the request; diagnostics repeat the
// sub-function, with a value of the machine's.
func echo(a ask, fc byte, rest []byte) ([]byte, error) {
	whole := len(a.pdu) - 1
	if fc == fcDiagnostics && word(a.pdu[1:]) != 0 {
		whole = 2
		if len(rest) != 4 {
			return nil, errLength
		}
	}
	if len(rest) < whole || whole == len(a.pdu)-1 && len(rest) != whole || !bytes.Equal(rest[:whole], a.pdu[1:1+whole]) {
		return nil, errEcho
	}
	return append([]byte{fc}, rest...), nil
}

// statusAnswer are those with a count of bytes, or none.
func statusAnswer(fc byte, rest []byte) ([]byte, error) {
	ok := false
	switch fc {
	case fcExceptionStatus:
		ok = len(rest) == 1
	case fcEventCounter:
		ok = len(rest) == 4
	case fcEventLog:
		ok = len(rest) >= 7 && int(rest[0]) == len(rest)-1 && len(rest) <= 7+64
	case fcServerID:
		ok = len(rest) >= 2 && int(rest[0]) == len(rest)-1
	case fcUMAS:
		ok = len(rest) >= 2
	}
	if !ok {
		return nil, errLength
	}
	return append([]byte{fc}, rest...), nil
}

// fileAnswer has, for each group that was asked, its length, type and words.
func fileAnswer(a ask, rest []byte) ([]byte, error) {
	if len(rest) < 1 || int(rest[0]) != len(rest)-1 {
		return nil, errLength
	}
	p := rest[1:]
	for g := a.pdu[2:]; len(g) > 0; g = g[7:] {
		n := 2 * word(g[5:])
		if len(p) < 2+n || int(p[0]) != 1+n || p[1] != referenceType {
			return nil, errLength
		}
		p = p[2+n:]
	}
	if len(p) > 0 {
		return nil, errLength
	}
	return append([]byte{fcReadFile}, rest...), nil
}

// fifoAnswer has two counts, of bytes and of words, and the words.
func fifoAnswer(rest []byte) ([]byte, error) {
	if len(rest) < 4 || word(rest) != len(rest)-2 || 2*word(rest[2:]) != len(rest)-4 || word(rest[2:]) > mostFIFO {
		return nil, errLength
	}
	return append([]byte{fcReadFIFO}, rest...), nil
}

// encapsulatedAnswer checks the list of device identification: code,
// conformity, more, next, how many, and each with its length.
func encapsulatedAnswer(a ask, rest []byte) ([]byte, error) {
	if len(rest) < 1 || rest[0] != a.pdu[1] {
		return nil, errEcho
	}
	if rest[0] == meiIdentity {
		if len(rest) < 6 || rest[1] != a.pdu[2] {
			return nil, errEcho
		}
		p := rest[6:]
		for range rest[5] {
			if len(p) < 2 || len(p) < 2+int(p[1]) {
				return nil, errLength
			}
			p = p[2+int(p[1]):]
		}
		if len(p) > 0 {
			return nil, errLength
		}
	}
	return append([]byte{fcEncapsulated}, rest...), nil
}

// umasOutcome also keeps count of whether a transfer is under way.
func (s *stream) umasOutcome(a ask, rest []byte) (outcome string, failed bool) {
	if rest[1] != umasYes {
		return fmt.Sprintf("the machine refused: UMAS %02X", rest[1]), true
	}
	switch a.pdu[2] {
	case umasDownload, umasUpload:
		s.half = true
	case umasDownloaded, umasUploaded:
		s.half = false
	}
	return "done", false
}

// exceptionName is the specification's (chapter 7).
func exceptionName(code byte) string {
	names := map[byte]string{1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "server device failure", 5: "acknowledge",
		6: "server device busy", 7: "negative acknowledge", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway target failed to respond"}
	if name, known := names[code]; known {
		return name
	}
	return fmt.Sprintf("exception %d", code)
}
