package evidence

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
)

// What was agreed reaches the decisions of the broker and of the verifier: whoever
// adds a field to the claim puts it into the facts, or says here why not.
func TestEachFieldOfAClaimIsAFact(t *testing.T) {
	none := []string{"V", "Request", // the form, and the text that it is of
		"Minutes", "Open"} // of opening, not of decisions
	for _, field := range reflect.VisibleFields(reflect.TypeFor[WindowClaim]()) {
		before := WindowClaim{Window: "W-1", Rights: []string{"look"}, Laptop: "laptop 07", Jack: "a3"}
		after := before
		switch v := reflect.ValueOf(&after).Elem().FieldByIndex(field.Index).Addr().Interface().(type) {
		case *int:
			*v = 7
		case *bool:
			*v = true
		case *time.Time:
			*v = time.Unix(7, 0)
		case *Bound:
			v.Key = "SHA256:x"
		case *[]Registers:
			*v = []Registers{{"filler-plc", "modbus", []string{"1 (x)"}}}
		case *[]Target:
			*v = []Target{{Asset: "filler-plc"}}
		case *[]string:
			*v = []string{"look", "copy"}
		case *string:
			if *v = "10.0.0.0/8"; field.Name == "Laptop" || field.Name == "Jack" {
				*v = "" // one without the other is another kind of work
			}
			if field.Name == "Laptop" {
				before.Jack, after.Jack = "", ""
			}
		default:
			reflect.ValueOf(&after).Elem().FieldByIndex(field.Index).Index(0).SetUint(7) // a hash
		}
		a, err := before.Facts()
		if err != nil {
			t.Fatal(err)
		}
		b, err := after.Facts()
		if err != nil {
			t.Fatal(err)
		}
		if same := reflect.DeepEqual(a, b); same != slices.Contains(none, field.Name) {
			t.Errorf("%s changes the facts: %t", field.Name, !same)
		}
	}
	if f, err := (WindowClaim{Rights: []string{"look"}, Network: "10.0.0.0/8"}).Facts(); err != nil || f.Network != netip.MustParsePrefix("10.0.0.0/8") {
		t.Errorf("%v %v", f.Network, err)
	}
}
