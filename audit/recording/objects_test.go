package recording_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"penstock/audit"
	"penstock/audit/recording"
)

func wrote(right, object string, count int) recording.Operation {
	return recording.Operation{Allowed: true, Right: right, Service: "write", Object: object, Count: count, Changes: []recording.Change{{Object: object, New: "1"}}}
}

func TestObjectsAreOneSet(t *testing.T) {
	var o recording.Objects
	for _, row := range []recording.Operation{
		wrote("set", "holding 20", 2), wrote("set", "holding 12", 1), wrote("set", "holding 14", 1), wrote("set", "coil 13", 1),
		wrote("set", "holding 13", 1), wrote("set", "holding 12", 1), wrote("set", "holding 18", 4), wrote("operate", "holding 12", 1),
		{Right: "set", Service: "write", Object: "holding 99", Changes: []recording.Change{{Object: "holding 99", New: "1"}}}, // refused
		{Allowed: true, Right: "look", Service: "read", Object: "holding 1", Count: 100},
		{Allowed: true, Right: "copy", Service: "read", Object: "holding 1", Count: 100},
		{Allowed: true, Right: "operate", Service: "read", Object: "holding 5", Count: 3},
		{Allowed: true, Right: "operate", Service: "restart communications"},
		{Allowed: true, Right: "operate", Service: "restart communications"},
	} {
		o.Add(row)
	}
	changed, setOff, more := o.Told()
	if want := "map[operate:[holding 12] set:[coil 13 holding 12-14 holding 18-21]]"; fmt.Sprint(changed) != want {
		t.Errorf("changed %v, want %s", changed, want)
	}
	if want := "map[operate:[holding 5-7 restart communications]]"; fmt.Sprint(setOff) != want || more != 0 {
		t.Errorf("set off %v and %d, want %s", setOff, more, want)
	}
}

// Whatever a client writes, the leaf that tells of it can be written, and says how much it leaves out.
func TestObjectsAreBounded(t *testing.T) {
	var o recording.Objects
	for n := range 20000 {
		o.Add(wrote("set", fmt.Sprint("holding ", 3*n+1), 1))
	}
	o.Add(wrote("set", "holding 2", 1)) // beside one that is there: no new span
	changed, _, more := o.Told()
	told := changed["set"]
	if len(told) < 64 || told[0] != "holding 1-2" || more != 20000-len(told) {
		t.Errorf("%d are named, the first %s, and %d not", len(told), told[0], more)
	}
	name := strings.Repeat("n", 63)
	allowed, refused := map[string]int{}, map[string]int{}
	for n := range 20 {
		refused[fmt.Sprint("rights-beyond-the-window-", n)] = 1 << 30
	}
	for n := range 8 {
		allowed[strings.Repeat("operate, ", n)+"look"] = 1 << 30
	}
	b, err := audit.Canonical(audit.OperationsSummary{Session: name, Window: name, Asset: name, Port: name, Allowed: allowed, Refused: refused, Changed: changed, More: more})
	if err != nil || len(b) > 3600 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// One by one or many at a time, in whatever order: it is the same set.
func TestObjectsDoNotDependOnTheOrder(t *testing.T) {
	seen := map[string]bool{}
	for n := range 24 {
		rows := []recording.Operation{wrote("set", "holding 1", 3), wrote("set", "holding 4", 1), wrote("set", "holding 9", 2), wrote("set", "holding 5", 4)}
		for i := range rows {
			k := n % (i + 1)
			rows[i], rows[k] = rows[k], rows[i]
			n /= i + 1
		}
		var o recording.Objects
		for _, r := range rows {
			o.Add(r)
		}
		changed, _, _ := o.Told()
		seen[fmt.Sprint(changed)] = true
	}
	if all := slices.Collect(maps.Keys(seen)); len(all) != 1 || all[0] != "map[set:[holding 1-10]]" {
		t.Error(all)
	}
}
