package siem

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
)

// schema is what of OCSF's compiled schema is used here; the file says where it is from.
type schema struct {
	Version string
	Classes map[string]struct{ Attributes map[string]attribute }
	Objects map[string]struct {
		AtLeastOne []string `json:"at_least_one"`
		Attributes map[string]attribute
	}
}

type attribute struct {
	Type, Object, Profile string
	Array, Required       bool
	Enum                  []string
}

func readSchema(t testing.TB) *schema {
	t.Helper()
	b, err := os.ReadFile("testdata/ocsf-1.2.0.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// check says everything that is wrong with an event.
func (s *schema) check(b []byte) (wrong []string) {
	var e map[string]any
	if err := json.Unmarshal(b, &e); err != nil {
		return []string{err.Error()}
	}
	uid := fmt.Sprint(e["class_uid"])
	for _, c := range s.Classes {
		if slices.Contains(c.Attributes["class_uid"].Enum, uid) {
			var profiles []any
			if m, ok := e["metadata"].(map[string]any); ok {
				profiles, _ = m["profiles"].([]any)
			}
			wrong = s.object("event", c.Attributes, e, profiles)
			if e["type_uid"] != e["class_uid"].(float64)*100+e["activity_id"].(float64) {
				wrong = append(wrong, "type_uid is not class and activity")
			}
			return wrong
		}
	}
	return []string{"no class " + uid}
}

func (s *schema) object(at string, known map[string]attribute, o map[string]any, profiles []any) (wrong []string) {
	for name, a := range known {
		if _, ok := o[name]; a.Required && a.Profile == "" && !ok {
			wrong = append(wrong, at+" lacks "+name)
		}
	}
	for name, v := range o {
		a, ok := known[name]
		switch {
		case !ok:
			wrong = append(wrong, at+" has no attribute "+name)
			continue
		case a.Profile != "" && !slices.Contains(profiles, any(a.Profile)):
			wrong = append(wrong, at+"."+name+" is of the profile "+a.Profile)
		}
		if !a.Array {
			wrong = append(wrong, s.value(at+"."+name, a, v, profiles)...)
			continue
		}
		list, ok := v.([]any)
		if !ok {
			wrong = append(wrong, at+"."+name+" is no list")
		}
		for _, one := range list {
			wrong = append(wrong, s.value(at+"."+name, a, one, profiles)...)
		}
	}
	return wrong
}

func (s *schema) value(at string, a attribute, v any, profiles []any) []string {
	switch a.Type {
	case "object_t":
		m, ok := v.(map[string]any)
		if !ok {
			return []string{at + " is no object"}
		}
		if a.Object == "object" { // anything
			return nil
		}
		o, ok := s.Objects[a.Object]
		if !ok {
			return []string{at + ": the extract has no object " + a.Object}
		}
		wrong := s.object(at, o.Attributes, m, profiles)
		if len(o.AtLeastOne) > 0 && !slices.ContainsFunc(o.AtLeastOne, func(n string) bool { return m[n] != nil }) {
			wrong = append(wrong, at+fmt.Sprintf(" has none of %v", o.AtLeastOne))
		}
		return wrong
	case "integer_t", "long_t", "timestamp_t", "port_t":
		n, ok := v.(float64)
		if !ok || n != float64(int64(n)) {
			return []string{at + " is no integer"}
		}
		if a.Enum != nil && !slices.Contains(a.Enum, strconv.FormatInt(int64(n), 10)) {
			return []string{fmt.Sprintf("%s may not be %v", at, n)}
		}
	case "boolean_t":
		if _, ok := v.(bool); !ok {
			return []string{at + " is no boolean"}
		}
	default:
		if _, ok := v.(string); !ok {
			return []string{fmt.Sprintf("%s is no text, but %T (%s)", at, v, a.Type)}
		}
	}
	return nil
}
