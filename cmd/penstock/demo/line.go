package demo

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// line is filling line 1 as its controller knows it. Every machine of the demo
// looks at this one: what is set by ssh is read by Modbus, and seen on the panel.
//
// Fault F-417 is a filler that has drifted: it doses more than the recipe says,
// trips, and cannot be started before the fill volume is right again.
type line struct {
	mu      sync.Mutex
	v       values
	changed func(values, string) // told of each thing that somebody did; called with mu held, waits for nothing slow
}

// values are what the line is at one moment.
type values struct {
	Running bool    `json:"running"`
	Alarm   bool    `json:"alarm"`       // F-417
	Volume  float64 `json:"fill_volume"` // ml in a bottle
	Torque  float64 `json:"cap_torque"`  // Nm
	Speed   float64 `json:"line_speed"`  // bottles a minute
	Flow    float64 `json:"flow"`        // ml/s, 0 while it stands
	Product float64 `json:"product"`     // °C
	Bottles float64 `json:"bottles"`     // since the demo was set up
	Batch   float64 `json:"batch"`       // since somebody read the counter by Modbus
	Stood   float64 `json:"stood"`       // seconds since it stopped
	KeyOff  bool    `json:"key_off"`     // the vendor key switch on panel A3 is turned off
	age     float64 // seconds; moves what wobbles
}

const (
	recipeVolume = 800.0 // ml
	driftVolume  = 812.0 // ml, what the sensor makes of it in the night story
	tripsAt      = 1.5   // % from the recipe: stop, F-417
	clearsAt     = 0.5   // %: the alarm goes
)

// deviation is how far the fill volume is from the recipe's, in %.
func (v values) deviation() float64 { return (v.Volume - recipeVolume) / recipeVolume * 100 }

func newLine(v values, changed func(values, string)) *line {
	if v.Volume == 0 {
		v = values{Running: true, Volume: recipeVolume, Torque: 1.9, Speed: 60, Product: 4.2, Bottles: 184_300, Batch: 12_411}
	}
	l := &line{v: v, changed: changed}
	l.v.advance(0)
	return l
}

func (l *line) now() values {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.v
}

// advance lets time pass on the line.
func (l *line) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.v.advance(d.Seconds())
}

func (v *values) advance(seconds float64) {
	v.age += seconds
	v.Product = 4.2 + 0.2*math.Sin(v.age/40)
	if !v.Running {
		v.Flow, v.Stood = 0, v.Stood+seconds
		return
	}
	v.Stood = 0
	v.Flow = v.Volume*v.Speed/60 + 1.4*math.Sin(v.age*1.7)
	if v.Speed == 0 {
		v.Flow = 0
	}
	v.Bottles += seconds * v.Speed / 60
	v.Batch += seconds * v.Speed / 60
}

// limit is what the controller itself takes, whoever asks.
type limit struct {
	unit     string
	min, max float64
	digits   int
}

var limits = map[string]limit{
	"fill-volume": {"ml", 0, 1000, 0},
	"cap-torque":  {"Nm", 0.5, 2.5, 2},
	"line-speed":  {"1/min", 0, 240, 0},
}

// set changes one value. by is who, for the controller's own log.
func (l *line) set(name string, to float64, by string) error {
	lim, ok := limits[name]
	if !ok {
		return fmt.Errorf("no value %q: fill-volume, cap-torque or line-speed", name)
	}
	if math.IsNaN(to) || to < lim.min || to > lim.max {
		return fmt.Errorf("%s takes %g to %g %s; nothing was changed", name, lim.min, lim.max, lim.unit)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := map[string]*float64{"fill-volume": &l.v.Volume, "cap-torque": &l.v.Torque, "line-speed": &l.v.Speed}[name]
	before := *at
	*at = to
	l.say(fmt.Sprintf("%s %.*f -> %.*f %s (%s)", name, lim.digits, before, lim.digits, to, lim.unit, by))
	switch d := math.Abs(l.v.deviation()); {
	case d >= tripsAt && l.v.Running:
		l.trip(by)
	case d < clearsAt && l.v.Alarm:
		l.v.Alarm = false
		l.say("alarm F-417 gone; the line can be started (" + by + ")")
	}
	return nil
}

// start is what an operator does at the panel, and coil 17.
func (l *line) start(by string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.v.Alarm:
		return fmt.Errorf("alarm F-417 stands: fill volume is %.0f ml, the recipe says %.0f; set it right first", l.v.Volume, recipeVolume)
	case l.v.Running:
		return nil
	}
	l.v.Running = true
	l.v.advance(0)
	l.say("line started (" + by + ")")
	return nil
}

func (l *line) stop(by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.v.Running {
		l.v.Running = false
		l.v.advance(0)
		l.say("line stopped (" + by + ")")
	}
}

// turnKey is a hand at the vendor key switch.
func (l *line) turnKey(by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.v.KeyOff = !l.v.KeyOff
	l.say("key switch A3 turned " + map[bool]string{true: "off", false: "on"}[l.v.KeyOff] + " (" + by + ")")
}

var errStands = errors.New("the filler stands already: the story is under way")

// fault is the demo's button: the sensor has drifted, and the filler trips.
func (l *line) fault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.v.Alarm || !l.v.Running {
		return errStands
	}
	l.v.Volume = driftVolume
	l.trip("sensor drift")
	return nil
}

// trip wants mu.
func (l *line) trip(by string) {
	l.v.Alarm, l.v.Running = true, false
	l.v.advance(0)
	l.say(fmt.Sprintf("alarm F-417: fill volume drifts, %.0f ml instead of %.0f (%+.1f %%); line stopped (%s)", l.v.Volume, recipeVolume, l.v.deviation(), by))
}

// takeBatch gives the batch counter and clears it, as reading 40090 does.
func (l *line) takeBatch(by string) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.v.Batch
	l.v.Batch = 0
	l.say(fmt.Sprintf("batch counter read and cleared at %.0f (%s)", n, by))
	return n
}

// say wants mu.
func (l *line) say(what string) {
	if l.changed != nil {
		l.changed(l.v, what)
	}
}
