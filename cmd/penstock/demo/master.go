package demo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Registers reads the filler's registers by Modbus/TCP, unit 1, as an
// engineering tool does, and prints them. Where volume is not negative, it is
// written to 40012 first. address is as dialled: the near end of an ssh -L.
func Registers(ctx context.Context, address string, volume int, out io.Writer) error {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("no Modbus at %s: %w; is the ssh -N -L line running?", address, err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return fmt.Errorf("ask by Modbus: %w", err)
	}
	if volume >= 0 {
		if _, err := modbusAsk(c, 6, wireVolume, uint16(volume)); err != nil {
			return fmt.Errorf("write 40012: %w", err)
		}
	}
	holding, err := modbusAsk(c, 3, wireVolume, 9)
	if err != nil {
		return fmt.Errorf("read 40012: %w", err)
	}
	input, err := modbusAsk(c, 4, 0, 6)
	if err != nil {
		return fmt.Errorf("read input 1: %w", err)
	}
	if len(holding) != 19 || len(input) != 13 {
		return errors.New("the answer has another length than was asked for")
	}
	at := func(b []byte, i int) uint16 { return binary.BigEndian.Uint16(b[1+2*i:]) }
	_, err = fmt.Fprintf(out, "40012    Fill volume   %d ml\n40013    Cap torque    %.2f Nm\n40020    Line speed    %d 1/min\ninput 2  Flow          %d ml/s\ninput 3  Bottles       %d\ninput 5  Alarm         %d\n",
		at(holding, 0), float64(at(holding, 1))/100, at(holding, 8), at(input, 1), uint32(at(input, 2))<<16|uint32(at(input, 3)), at(input, 4))
	return err
}

// exceptions are the application protocol's words for them (chapter 7).
var exceptions = map[byte]string{illegalFunction: "illegal function", illegalAddress: "illegal data address", illegalValue: "illegal data value",
	deviceFailure: "server device failure", 10: "gateway path unavailable", noSuchUnit: "gateway target failed to respond"}

// modbusAsk is one request of four bytes and the data of its answer.
func modbusAsk(c net.Conn, fc byte, address, value uint16) ([]byte, error) {
	frame := []byte{0, 1, 0, 0, 0, 6, 1, fc}
	frame = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(frame, address), value)
	if _, err := c.Write(frame); err != nil {
		return nil, err
	}
	var head [modbusHeader]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, fmt.Errorf("no answer: %w", err)
	}
	n := int(binary.BigEndian.Uint16(head[4:]))
	if n < 3 || n > maxModbusPDU+1 {
		return nil, errNotModbus
	}
	pdu := make([]byte, n-1)
	if _, err := io.ReadFull(c, pdu); err != nil {
		return nil, fmt.Errorf("half an answer: %w", err)
	}
	if pdu[0] != fc {
		return nil, fmt.Errorf("exception %d, %s", pdu[1], exceptions[pdu[1]])
	}
	return pdu[1:], nil
}
