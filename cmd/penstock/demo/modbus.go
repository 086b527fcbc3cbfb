package demo

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Modbus application protocol V1.1b3 and Modbus/TCP: what this server speaks.
const (
	modbusHeader  = 7   // MBAP: transaction, protocol, length, unit
	maxModbusPDU  = 253 // bytes; the length field counts one more for the unit
	maxModbusPeer = 16  // connections at a time
	modbusIdle    = 5 * time.Minute

	illegalFunction = 1
	illegalAddress  = 2
	illegalValue    = 3
	deviceFailure   = 4
	noSuchUnit      = 0x0b
)

// modbusDevice is what stands behind one unit. Addresses are those of the wire:
// register 40012 is holding 11. A method's byte is the exception, 0 for none.
type modbusDevice interface {
	bit(coil bool, address uint16) (bool, byte)
	register(holding bool, address uint16) (uint16, byte)
	// mayCoil and mayRegister say, without doing it, whether this may be written.
	mayCoil(address uint16) byte
	mayRegister(address, value uint16) byte
	setCoil(address uint16, on bool, by string) byte
	setRegister(address, value uint16, by string) byte
	identity() []string // vendor, product, revision, then the regular ones
}

// modbusServer is a controller's Modbus/TCP port. Like the real ones it asks
// nobody who they are: whoever reaches it may do all of it.
type modbusServer struct {
	unit   byte
	device modbusDevice

	listener net.Listener
	mu       sync.Mutex
	peers    map[net.Conn]bool
	all      sync.WaitGroup
}

func startModbus(l net.Listener, unit byte, device modbusDevice) *modbusServer {
	s := &modbusServer{unit: unit, device: device, listener: l, peers: map[net.Conn]bool{}}
	s.all.Go(s.accept)
	return s
}

func (s *modbusServer) stop() {
	s.listener.Close()
	s.mu.Lock()
	for c := range s.peers {
		c.Close()
	}
	s.peers = nil
	s.mu.Unlock()
	s.all.Wait()
}

func (s *modbusServer) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return // stopped
		}
		s.mu.Lock()
		if s.peers == nil || len(s.peers) >= maxModbusPeer {
			s.mu.Unlock()
			c.Close()
			continue
		}
		s.peers[c] = true
		s.all.Go(func() {
			defer func() {
				s.mu.Lock()
				delete(s.peers, c)
				s.mu.Unlock()
				c.Close()
			}()
			_ = s.serve(c, c.RemoteAddr().String()) // a client that breaks the protocol is dropped, as a controller does
		})
		s.mu.Unlock()
	}
}

var errNotModbus = errors.New("not Modbus/TCP")

// serve answers one frame after the other, which is all that pipelining asks for.
func (s *modbusServer) serve(c net.Conn, by string) error {
	var head [modbusHeader]byte
	for {
		if err := c.SetDeadline(time.Now().Add(modbusIdle)); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint16(head[4:]))
		if binary.BigEndian.Uint16(head[2:]) != 0 || n < 2 || n > maxModbusPDU+1 {
			return errNotModbus
		}
		pdu := make([]byte, n-1)
		if _, err := io.ReadFull(c, pdu); err != nil {
			return err
		}
		answer := []byte{pdu[0] | 0x80, noSuchUnit}
		if head[6] == s.unit {
			answer = modbusAnswer(s.device, pdu, "modbus "+by)
		}
		out := binary.BigEndian.AppendUint16(append([]byte{}, head[:4]...), uint16(len(answer)+1))
		if _, err := c.Write(append(append(out, head[6]), answer...)); err != nil {
			return err
		}
	}
}

// modbusAnswer is the reply to one request of at least one byte: never empty,
// never longer than a PDU may be.
func modbusAnswer(d modbusDevice, pdu []byte, by string) []byte {
	fc, rest := pdu[0], pdu[1:]
	answer, exception := []byte(nil), byte(illegalFunction)
	switch fc {
	case 1, 2:
		answer, exception = readBits(d, fc == 1, rest)
	case 3, 4:
		answer, exception = readRegisters(d, fc == 3, rest)
	case 5:
		answer, exception = writeCoil(d, rest, by)
	case 6:
		answer, exception = writeRegister(d, rest, by)
	case 15:
		answer, exception = writeCoils(d, rest, by)
	case 16:
		answer, exception = writeRegisters(d, rest, by)
	case 43:
		answer, exception = deviceIdentity(d, rest)
	}
	if exception != 0 {
		return []byte{fc | 0x80, exception}
	}
	return append([]byte{fc}, answer...)
}

// span reads address and quantity, and holds them to the limits of the specification.
func span(rest []byte, most uint16) (address, n uint16, exception byte) {
	if len(rest) < 4 {
		return 0, 0, illegalValue
	}
	address, n = binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
	switch {
	case n == 0 || n > most:
		return 0, 0, illegalValue
	case int(address)+int(n) > 1<<16:
		return 0, 0, illegalAddress
	}
	return address, n, 0
}

func readBits(d modbusDevice, coils bool, rest []byte) ([]byte, byte) {
	address, n, exception := span(rest, 2000)
	if exception != 0 || len(rest) != 4 {
		return nil, max(exception, illegalValue*btoi(len(rest) != 4))
	}
	out := make([]byte, 1+(n+7)/8)
	out[0] = byte(len(out) - 1)
	for i := range n {
		on, exception := d.bit(coils, address+i)
		if exception != 0 {
			return nil, exception
		}
		if on {
			out[1+i/8] |= 1 << (i % 8)
		}
	}
	return out, 0
}

func readRegisters(d modbusDevice, holding bool, rest []byte) ([]byte, byte) {
	address, n, exception := span(rest, 125)
	if exception != 0 || len(rest) != 4 {
		return nil, max(exception, illegalValue*btoi(len(rest) != 4))
	}
	out := []byte{byte(2 * n)}
	for i := range n {
		v, exception := d.register(holding, address+i)
		if exception != 0 {
			return nil, exception
		}
		out = binary.BigEndian.AppendUint16(out, v)
	}
	return out, 0
}

func writeCoil(d modbusDevice, rest []byte, by string) ([]byte, byte) {
	if len(rest) != 4 {
		return nil, illegalValue
	}
	address, value := binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
	if value != 0 && value != 0xff00 {
		return nil, illegalValue
	}
	if exception := d.mayCoil(address); exception != 0 {
		return nil, exception
	}
	return rest, d.setCoil(address, value != 0, by)
}

func writeRegister(d modbusDevice, rest []byte, by string) ([]byte, byte) {
	if len(rest) != 4 {
		return nil, illegalValue
	}
	address, value := binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
	if exception := d.mayRegister(address, value); exception != 0 {
		return nil, exception
	}
	return rest, d.setRegister(address, value, by)
}

// writeCoils does all of it or none.
func writeCoils(d modbusDevice, rest []byte, by string) ([]byte, byte) {
	address, n, exception := span(rest, 1968)
	if exception != 0 {
		return nil, exception
	}
	if len(rest) < 5 || int(rest[4]) != int(n+7)/8 || len(rest) != 5+int(rest[4]) {
		return nil, illegalValue
	}
	for i := range n {
		if exception := d.mayCoil(address + i); exception != 0 {
			return nil, exception
		}
	}
	for i := range n {
		if exception := d.setCoil(address+i, rest[5+i/8]>>(i%8)&1 == 1, by); exception != 0 {
			return nil, exception
		}
	}
	return rest[:4], 0
}

func writeRegisters(d modbusDevice, rest []byte, by string) ([]byte, byte) {
	address, n, exception := span(rest, 123)
	if exception != 0 {
		return nil, exception
	}
	if len(rest) < 5 || int(rest[4]) != 2*int(n) || len(rest) != 5+2*int(n) {
		return nil, illegalValue
	}
	value := func(i uint16) uint16 { return binary.BigEndian.Uint16(rest[5+2*i:]) }
	for i := range n {
		if exception := d.mayRegister(address+i, value(i)); exception != 0 {
			return nil, exception
		}
	}
	for i := range n {
		if exception := d.setRegister(address+i, value(i), by); exception != 0 {
			return nil, exception
		}
	}
	return rest[:4], 0
}

// deviceIdentity is function 43 with MEI type 14: objects 0 to 2 are basic, the
// rest regular. All of them fit one answer.
func deviceIdentity(d modbusDevice, rest []byte) ([]byte, byte) {
	if len(rest) != 3 {
		return nil, illegalValue
	}
	if rest[0] != 14 {
		return nil, illegalFunction
	}
	code, first, all := rest[1], int(rest[2]), d.identity()
	until := map[byte]int{1: min(3, len(all)), 2: len(all), 4: first + 1}[code]
	switch {
	case until == 0:
		return nil, illegalValue
	case code == 4 && first >= len(all):
		return nil, illegalAddress
	case code != 4 && first >= until:
		first = 0 // 6.21: an unknown object starts anew
	}
	out := []byte{14, code, 0x82, 0, 0, byte(until - first)} // regular, stream and single
	for id := first; id < until; id++ {
		out = append(append(out, byte(id), byte(len(all[id]))), all[id]...)
	}
	return out, 0
}

func btoi(b bool) byte {
	if b {
		return 1
	}
	return 0
}
