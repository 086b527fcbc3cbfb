package demo

import "math"

// filler is FIL-1-PLC-01 by Modbus, unit 1. configs/registers/fil-1.csv names
// what a vendor may write; the rest is for reading:
//
//	coil 17       line runs; on starts it, off stops it
//	discrete 1    alarm lamp        discrete 2   line runs
//	40012         fill volume, ml   40013        cap torque, 1/100 Nm
//	40020         line speed, 1/min 40090        batch counter; reading clears it
//	input 1       product, 1/10 °C  input 2      flow, ml/s
//	input 3, 4    bottles, high and low word
//	input 5       alarm number, 0 or 417
//	input 6       deviation, 1/10 %, signed
type filler struct{ line *line }

const (
	wireVolume, wireTorque, wireSpeed, wireBatch = 11, 12, 19, 89
	wireStart                                    = 16
	holdingTop                                   = 100 // 40001 to 40100 can be read; what means nothing is 0
)

func (f filler) bit(coil bool, address uint16) (bool, byte) {
	v := f.line.now()
	switch {
	case coil && address == wireStart, !coil && address == 1:
		return v.Running, 0
	case !coil && address == 0:
		return v.Alarm, 0
	case address < 32:
		return false, 0
	}
	return false, illegalAddress
}

func (f filler) register(holding bool, address uint16) (uint16, byte) {
	if holding && address == wireBatch {
		return uint16(f.line.takeBatch("modbus")), 0
	}
	v := f.line.now()
	if holding {
		switch {
		case address == wireVolume:
			return word(v.Volume), 0
		case address == wireTorque:
			return word(v.Torque * 100), 0
		case address == wireSpeed:
			return word(v.Speed), 0
		case address < holdingTop:
			return 0, 0
		}
		return 0, illegalAddress
	}
	inputs := []uint16{word(v.Product * 10), word(v.Flow), uint16(uint32(v.Bottles) >> 16), uint16(uint32(v.Bottles)), 417 * uint16(btoi(v.Alarm)), word(v.deviation() * 10)}
	if int(address) < len(inputs) {
		return inputs[address], 0
	}
	return 0, illegalAddress
}

// word is a value as a register holds it, two's complement.
func word(v float64) uint16 { return uint16(int16(math.Round(v))) }

func (filler) mayCoil(address uint16) byte {
	if address == wireStart {
		return 0
	}
	return illegalAddress
}

// registerValue is a written register in the line's own words.
func registerValue(address, value uint16) (string, float64, bool) {
	switch address {
	case wireVolume:
		return "fill-volume", float64(value), true
	case wireTorque:
		return "cap-torque", float64(value) / 100, true
	case wireSpeed:
		return "line-speed", float64(value), true
	}
	return "", 0, false
}

func (filler) mayRegister(address, value uint16) byte {
	name, v, ok := registerValue(address, value)
	if !ok {
		return illegalAddress
	}
	if l := limits[name]; v < l.min || v > l.max {
		return illegalValue
	}
	return 0
}

func (f filler) setCoil(_ uint16, on bool, by string) byte {
	if !on {
		f.line.stop(by)
		return 0
	}
	if f.line.start(by) != nil {
		return deviceFailure // the alarm stands
	}
	return 0
}

func (f filler) setRegister(address, value uint16, by string) byte {
	name, v, _ := registerValue(address, value)
	if f.line.set(name, v, by) != nil {
		return illegalValue
	}
	return 0
}

func (filler) identity() []string {
	return []string{"Krall", "FX5", "4.2.1", "https://krall.example", "Filler controller", "FX5-800"}
}

// capper is CAP-1-DRV-01, unit 3: it is read, and takes nothing.
//
//	40001  revolutions a minute   40002  torque, 1/100 Nm   40003  state, 0 stands, 1 runs
type capper struct{ line *line }

func (c capper) bit(_ bool, address uint16) (bool, byte) {
	if address == 0 {
		return c.line.now().Running, 0
	}
	return false, illegalAddress
}

func (c capper) register(_ bool, address uint16) (uint16, byte) {
	v := c.line.now()
	runs := float64(btoi(v.Running))
	all := []uint16{word(v.Speed * 4 * runs), word(v.Torque * 100 * runs), word(runs)}
	if int(address) < len(all) {
		return all[address], 0
	}
	return 0, illegalAddress
}

func (capper) mayCoil(uint16) byte                     { return illegalFunction }
func (capper) mayRegister(uint16, uint16) byte         { return illegalFunction }
func (capper) setCoil(uint16, bool, string) byte       { return illegalFunction }
func (capper) setRegister(uint16, uint16, string) byte { return illegalFunction }
func (capper) identity() []string                      { return []string{"Nordrive", "ND-7", "1.18"} }

// keySwitch is the vendor key switch on panel A3, as the plant file reads it:
// coil 5 of unit 1. Nobody turns it by Modbus.
type keySwitch struct{ line *line }

const wireKey = 5

func (k keySwitch) bit(_ bool, address uint16) (bool, byte) {
	if address == wireKey {
		return !k.line.now().KeyOff, 0
	}
	return false, illegalAddress
}

func (keySwitch) register(bool, uint16) (uint16, byte)    { return 0, illegalFunction }
func (keySwitch) mayCoil(uint16) byte                     { return illegalFunction }
func (keySwitch) mayRegister(uint16, uint16) byte         { return illegalFunction }
func (keySwitch) setCoil(uint16, bool, string) byte       { return illegalFunction }
func (keySwitch) setRegister(uint16, uint16, string) byte { return illegalFunction }
func (keySwitch) identity() []string                      { return []string{"Fjord Dairy", "A3", "1"} }
