package policy

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// derived are fields that follow from others, which are in a part.
var derived = map[string]string{
	"Assets.Ports.Worst":    "of a port with logins: its accounts'",
	"Assets.Ports.Enforced": "likewise",
	"Rules.Plan.Rule":       "the rule's own name",
	"Rules.Also.Rule":       "likewise",
}

// Every field is in some part, so that whoever answers for the part is asked:
// also fields that the example leaves empty, which TestEveryFieldIsInTheDiff
// cannot see. The scale of a limited register was such a one.
func TestEveryFieldIsInAPart(t *testing.T) {
	p := oneOfEach()
	before := p.parts()
	var alter func(v reflect.Value, path string)
	alter = func(v reflect.Value, path string) {
		was := reflect.ValueOf(v.Interface())
		switch v.Interface().(type) {
		case time.Time:
			v.Set(reflect.ValueOf(time.Date(2031, 5, 6, 0, 0, 0, 0, time.UTC)))
		case netip.Addr:
			v.Set(reflect.ValueOf(netip.MustParseAddr("203.0.113.77")))
		default:
			switch v.Kind() {
			case reflect.Struct:
				for i := range v.NumField() {
					if f := v.Type().Field(i); f.IsExported() {
						alter(v.Field(i), path+"."+f.Name)
					}
				}
				return
			case reflect.Slice:
				if v.Len() == 0 {
					t.Errorf("%s: nothing to alter", path)
					return
				}
				alter(v.Index(0), path)
				return
			case reflect.String:
				v.SetString(v.String() + "x")
			case reflect.Bool:
				v.SetBool(!v.Bool())
			case reflect.Int, reflect.Int64:
				v.SetInt(v.Int() + int64(time.Minute))
			case reflect.Uint8, reflect.Uint16:
				v.SetUint(v.Uint() ^ 1)
			case reflect.Float64:
				v.SetFloat(v.Float() + 2) // a scale of 0 is 1
			default:
				t.Errorf("%s: a %s", path, v.Kind())
				return
			}
		}
		if path = strings.TrimPrefix(path, "."); reflect.DeepEqual(p.parts(), before) && derived[path] == "" {
			t.Errorf("%s is in no part", path)
		}
		v.Set(was)
	}
	alter(reflect.ValueOf(p).Elem(), "")
}

// oneOfEach has one of each, with one of each in it.
func oneOfEach() *Plant {
	p := &Plant{}
	fill(reflect.ValueOf(p).Elem())
	p.location = time.UTC
	p.Zones[0].VendorsNever = false
	p.zones = map[ZoneName]*Zone{"": &p.Zones[0], "x": &p.Zones[0]}
	return p
}

// fill gives each slice one element, all the way down.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	}
}
