package policy

import (
	"fmt"
	"strings"
)

// Rights is a set of what may be done to the process. The zero value allows
// nothing. Look is part of every set that is not empty.
type Rights uint8

const (
	Look    Rights = 1 << iota // see values, screens, logs
	Copy                       // take out: files, programs, recipes
	Set                        // change values within limits
	Operate                    // start, stop, force, restart
	Load                       // program and files in
	Device                     // firmware, password, clock, address, users
)

var rightWords = []string{"look", "copy", "set", "operate", "load", "device"}

// ParseRights makes a set of words such as "look" and "set"; look is added to
// whatever else is there. An unknown or repeated word, or none at all, is an error.
func ParseRights(words []string) (Rights, error) {
	var r Rights
next:
	for _, w := range words {
		for i, known := range rightWords {
			if w == known {
				if r&(1<<i) != 0 {
					return 0, fmt.Errorf("right %q is named twice", w)
				}
				r |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("unknown right %q; rights are %s", w, strings.Join(rightWords, ", "))
	}
	if r == 0 {
		return 0, fmt.Errorf("no right is named; rights are %s", strings.Join(rightWords, ", "))
	}
	return r | Look, nil
}

// Has says whether every right of o is in r.
func (r Rights) Has(o Rights) bool { return r&o == o }

// Words lists the set in the order look, copy, set, operate, load, device.
func (r Rights) Words() []string {
	words := []string{}
	for i, w := range rightWords {
		if r&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return words
}

func (r Rights) String() string {
	if r == 0 {
		return "nothing"
	}
	return strings.Join(r.Words(), ", ")
}

// Enforced says who stops what the rights do not allow. The zero value is
// nobody: what a plant file does not say is not promised.
type Enforced uint8

const (
	ByNobody   Enforced = iota // only a person who watches
	ByDevice                   // the device's own account or mode
	ByPenstock                 // an inspector of this broker, per operation
)

// String is the word of the plant file: nobody, device or penstock.
func (e Enforced) String() string {
	switch e {
	case ByDevice:
		return "device"
	case ByPenstock:
		return "penstock"
	}
	return "nobody"
}

// Wanted are the rights that a channel asks for in a window with such rights:
// the window's, as far as the way in goes; where an inspector decides each
// operation by itself, look, so that what only the others wait for stops only them. That the way in can do no more than
// the window is for Decide.
func (p *Plant) Wanted(q Query, window Rights) Rights {
	asset, _ := p.Asset(q.Asset)
	name := q.Port
	if name == "sftp" {
		name = "ssh"
	}
	port, ok := asset.Port(name)
	worst, by := port.Worst, port.Enforced
	if a, login := port.Account(q.Account); login {
		worst, by = a.Worst, a.Enforced
	}
	switch {
	case by == ByPenstock && ok:
		return window & Look
	case !ok || worst&window == 0:
		return window
	}
	return worst & window
}
