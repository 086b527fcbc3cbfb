package inputs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"penstock/policy"
)

// Function codes of the Modbus application protocol V1.1b3, 6.1 and 6.2.
const (
	readCoils    = 1
	readDiscrete = 2
)

const mbap = 7 // bytes: transaction, protocol, length, unit (Modbus messaging on TCP/IP V1.0b, 3.1.3)

// bit is one coil or discrete input. It keeps its connection, and dials anew
// after any error.
type bit struct {
	address  string
	unit     byte
	function byte
	number   uint16 // as on the wire, from 0
	off      bool   // off means yes

	conn        net.Conn
	transaction uint16
}

// newBit: the plant file was parsed, so At has its three parts.
func newBit(g policy.Gate) *bit {
	parts := strings.Split(g.At, "/")
	b := &bit{address: parts[0], function: readCoils, off: g.Is == "off"}
	if g.Kind == policy.GateInput {
		b.function = readDiscrete
	}
	if len(parts) == 3 {
		unit, _ := strconv.ParseUint(parts[1], 10, 8)
		number, _ := strconv.ParseUint(parts[2], 10, 16)
		b.unit, b.number = byte(unit), uint16(number)
	}
	return b
}

func (b *bit) close() {
	if b.conn != nil {
		_ = b.conn.Close() // nothing was written that could be lost
		b.conn = nil
	}
}

func (b *bit) read(ctx context.Context) (yes bool, says string, err error) {
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.conn == nil {
		if b.conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", b.address); err != nil {
			return false, "", fmt.Errorf("reach it: %w", err)
		}
	}
	conn := b.conn
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return false, "", fmt.Errorf("bound a reading: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b.transaction++
	if _, err := conn.Write(b.question()); err != nil {
		return false, "", fmt.Errorf("ask it: %w", err)
	}
	answer, err := hear(conn)
	if err != nil {
		return false, "", fmt.Errorf("hear it: %w", err)
	}
	on, err := b.answered(answer)
	if err != nil {
		return false, "", err
	}
	return on != b.off, map[bool]string{true: "on", false: "off"}[on], nil
}

// hear reads one frame, no longer than the answer to a question for one bit.
func hear(conn io.Reader) ([]byte, error) {
	frame := make([]byte, mbap+3)
	if _, err := io.ReadFull(conn, frame[:mbap]); err != nil {
		return nil, err
	}
	rest := int(binary.BigEndian.Uint16(frame[4:])) - 1 // the unit counts, and is read
	if rest < 2 || rest > 3 {
		return frame[:mbap], nil // answered says what is wrong with it
	}
	_, err := io.ReadFull(conn, frame[mbap:mbap+rest])
	return frame[:mbap+rest], err
}

// question asks for one bit.
func (b *bit) question() []byte {
	q := binary.BigEndian.AppendUint16(nil, b.transaction)
	q = append(q, 0, 0, 0, 6, b.unit, b.function)
	q = binary.BigEndian.AppendUint16(q, b.number)
	return append(q, 0, 1)
}

// answered reads one answer, which must be to this question and to no other:
// an answer that came late to the one before says nothing about now.
func (b *bit) answered(a []byte) (on bool, err error) {
	switch {
	case len(a) < mbap+2:
		return false, errors.New("its answer is too short")
	case binary.BigEndian.Uint16(a) != b.transaction:
		return false, errors.New("it answers another question")
	case binary.BigEndian.Uint16(a[2:]) != 0:
		return false, errors.New("it does not speak Modbus/TCP")
	case int(binary.BigEndian.Uint16(a[4:])) != len(a)-6:
		return false, errors.New("its answer has another length than it says")
	case a[6] != b.unit:
		return false, fmt.Errorf("unit %d answers for unit %d", a[6], b.unit)
	case a[7] == b.function|0x80:
		return false, fmt.Errorf("it refuses: exception %d", a[8])
	case a[7] != b.function || len(a) != mbap+3 || a[8] != 1:
		return false, errors.New("its answer is not of one bit")
	case a[9] > 1: // the bits above the one that was asked for are zero (6.1)
		return false, errors.New("its answer has more bits than were asked for")
	}
	return a[9] == 1, nil
}
