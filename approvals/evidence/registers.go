package evidence

import (
	"errors"
	"fmt"
	"strings"

	"penstock/policy"
)

// Registers are those that alone may be changed by one way in, as the plant file
// that the text names labels them: "40012 (Fill volume)". Reading is as the rights
// say. Where a text names none for a way in, the rights decide alone.
type Registers struct {
	Asset string   `json:"asset"`
	Port  string   `json:"port"`
	Only  []string `json:"only"` // sorted, each once
}

// AsRegisters is how a text has them.
func AsRegisters(only []policy.Only) (list []Registers) {
	for _, o := range only {
		list = append(list, Registers{string(o.Asset), string(o.Port), o.Registers})
	}
	return list
}

// OnlyOf is how the plant file's rules have them.
func OnlyOf(list []Registers) (only []policy.Only) {
	for _, r := range list {
		only = append(only, policy.Only{Asset: policy.AssetName(r.Asset), Port: policy.PortName(r.Port), Registers: r.Only})
	}
	return only
}

// RegisterWords are the registers as somebody asks for them again.
func RegisterWords(list []Registers) (words []string) {
	for _, r := range list {
		for _, label := range r.Only {
			words = append(words, r.Asset+": "+label)
		}
	}
	return words
}

const maxLabel = 200 // bytes

func registers(list []Registers, ways []Target) error {
	if len(list) > MaxList {
		return fmt.Errorf("registers: %d, at most %d", len(list), MaxList)
	}
	var errs []error
	for i, r := range list {
		field := fmt.Sprintf("registers[%d]", i)
		errs = append(errs, id(field+".asset", r.Asset), name(field+".port", r.Port), between(field+".only", len(r.Only), 1, MaxList))
		if i > 0 && list[i-1].Asset+" "+list[i-1].Port >= r.Asset+" "+r.Port {
			errs = append(errs, errors.New(field+": is not after the one before: sorted, each once"))
		}
		asked := false
		for _, t := range ways {
			asked = asked || t.Asset == r.Asset && t.Port == r.Port
		}
		if !asked {
			errs = append(errs, fmt.Errorf("%s: %s by %s is none of the ways in", field, short(r.Asset), short(r.Port)))
		}
		for j, label := range r.Only {
			errs = append(errs, filled(field+".only", label, maxLabel))
			if j > 0 && r.Only[j-1] >= label {
				errs = append(errs, errors.New(field+".only: is not sorted, each once"))
			}
		}
	}
	return errors.Join(errs...)
}

// registersWithin says whether one text's registers lie inside those of a wider
// one, for the ways in of the first.
func registersWithin(part, whole []Registers, ways []Target) bool {
	var targets []policy.Target
	for _, t := range ways {
		targets = append(targets, t.Policy())
	}
	return policy.OnlyWithin(OnlyOf(part), OnlyOf(whole), targets)
}

// registersSay is a text's registers for a finding.
func registersSay(list []Registers) string {
	if len(list) == 0 {
		return "all"
	}
	return strings.Join(RegisterWords(list), ", ")
}
