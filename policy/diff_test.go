package policy_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

// changedPlant is the example plant file with one text in place of another.
func changedPlant(t *testing.T, pairs ...string) *policy.Plant {
	t.Helper()
	files := example(t)
	text := string(files["plant.yaml"])
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the example does not say %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	files["plant.yaml"] = []byte(text)
	p, problems := policy.ParseWith(thisBuild, "plant.yaml", files)
	if problems != nil {
		t.Fatal(problems)
	}
	return p
}

func TestDiffSaysWhoGainsAndLoses(t *testing.T) {
	from := changedPlant(t)
	for story, row := range map[string]struct {
		edit  []string
		want  []string // "means what text", each contained in a line of the answer
		agree string
	}{
		"the viewer may copy": {[]string{"viewer:  {rights: [look], enforced: device}", "viewer:  {rights: [look, copy], enforced: device}"},
			[]string{"gains vendors on filler-plc by sftp as viewer, filler-plc by ssh as viewer: can copy as well", "alters account viewer at port ssh of filler-plc rights was look, becomes look, copy"},
			"line-1-owner ot-security"},
		"a conduit carries less": {[]string{"carries: [ssh, sftp, modbus, vnc]", "carries: [ssh, sftp, vnc]"},
			[]string{"loses vendors on capper-drive by modbus, filler-plc by modbus, pasteur-plc by modbus: can nothing any more (conduit dmz-line-1 does not carry modbus", "alters conduit dmz-line-1 carries was ssh, sftp, modbus, vnc, becomes ssh, sftp, vnc"},
			"line-1-owner ot-security"},
		"security is asked no more": {[]string{"plan: [owner, ot-security], ", "plan: [owner],              "},
			[]string{"gains vendors on filler-plc by sftp as maint, filler-plc by ssh as maint: who must agree was 1 × line-1-owner and 1 × ot-security, becomes 1 × line-1-owner", "alters rule load plan"},
			"it-network line-1-owner ot-security utilities-owner"},
		"an escort is asked for what was free": {[]string{"open: shift, longest: 4h, ask: [work_order]}", "open: shift, longest: 4h, ask: [work_order], escort: true}"},
			[]string{"loses vendors on filler-plc by sftp as recipes, filler-plc by ssh as recipes: an escort was not asked, becomes asked"}, ""},
		"the gate goes": {[]string{"  - {name: key,      when: {zone: line-1, right: [set, operate, load, device]}, gates: line-1-key}\n", "",
			"  line-1-key: {name: Vendor key switch on panel A3, kind: modbus-coil, at: \"10.20.1.9:502/1/5\", stale: 10s, stand_in: shift}\n", ""},
			[]string{"the gates asked was line-1-key, becomes none", "alters gate line-1-key is gone", "alters rule key is gone"}, ""},
		"the host key is taken out": {[]string{"{host_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBPRQQFRPChlbcR5op3MVC25TuI/T6zZjwP3tEWTIe1B], accounts", "{accounts"},
			[]string{"loses vendors on chiller-plc by ssh as trend: can nothing any more (its host key is not pinned); could look, copy"}, "ot-security utilities-owner"},
		"a new review day": {[]string{"review: 2026-12-31", "review: 2027-12-31"}, []string{"alters conduit ops-utilities review was 2026-12-31, becomes 2027-12-31"}, "ot-security utilities-owner"},
		"a firmware":       {[]string{"firmware: 4.20}", "firmware: 4.21}"}, []string{"alters asset chiller-plc firmware was 4.20, becomes 4.21"}, "it-network utilities-owner"},
		"a zone closes":    {[]string{"owner: utilities-owner, shift: utilities-shift}", "owner: utilities-owner, shift: utilities-shift, vendors: never}"}, []string{"loses vendors on chiller-plc", "zone utilities is never open to vendors"}, "ot-security utilities-owner"},
		"longer":           {[]string{"plan: [],                           open: shift, longest: 8h,", "plan: [],                           open: shift, longest: 12h,"}, []string{"gains vendors on ", "the longest was 8h, becomes 12h"}, ""},
		"a code is enough": {[]string{"plan: [owner, ot-security],         open: shift, longest: 6h", "plan: [owner, ot-security],         open: shift, longest: 6h, proof: code"},
			[]string{"alters rule load proof"}, ""},
		"a code is enough to copy": {[]string{"open: shift, longest: 8h}", "open: shift, longest: 8h, proof: code}"},
			[]string{"gains vendors on ", "what a yes rests on was key, becomes code", "alters rule copy proof"}, ""},
		"a line's weight": {[]string{"{name: Batch records,   criticality: 3}", "{name: Batch records,   criticality: 2}"}, []string{"alters line batch-data criticality was 3, becomes 2"}, "it-network ot-security"},
		"only a comment":  {[]string{"# No entry, no access.", "# Nothing else."}, nil, ""},
	} {
		if story == "only a comment" {
			row.edit = []string{"# rosters are not here: they change daily and are no change of policy. No entry, no access.", "# Nothing."}
		}
		to := changedPlant(t, row.edit...)
		var lines []string
		for _, d := range policy.Diff(from, to) {
			lines = append(lines, fmt.Sprintf("%s %s %s", d.Means, d.What, d.Text))
		}
		for _, want := range row.want {
			if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want) }) {
				t.Errorf("%s: no line says %q in:\n%s", story, want, strings.Join(lines, "\n"))
			}
		}
		if len(row.want) == 0 && len(lines) > 0 {
			t.Errorf("%s: %q", story, lines)
		}
		var roles []string
		for _, n := range policy.MustAgree(from, to) {
			roles = append(roles, string(n.Role))
		}
		if got := strings.Join(roles, " "); row.agree != "" && got != row.agree {
			t.Errorf("%s: must agree %s, want %s", story, got, row.agree)
		}
		if len(policy.Diff(to, to)) != 0 {
			t.Errorf("%s: a file differs from itself", story)
		}
	}
}

// Somebody who adds a field to the plant file must not be able to change it
// without anybody being told.
func TestEveryFieldIsInTheDiff(t *testing.T) {
	before := changedPlant(t)
	for i := range reflect.TypeFor[policy.Plant]().NumField() {
		field := reflect.TypeFor[policy.Plant]().Field(i)
		if !field.IsExported() || field.Name == "Unplaced" { // the example has none; TestImported compares them
			continue
		}
		count := 0
		alter(t, reflect.ValueOf(changedPlant(t)).Elem().Field(i), field.Name, func(path string, set func(*policy.Plant)) {
			count++
			after := changedPlant(t)
			set(after)
			if len(policy.Diff(before, after)) == 0 {
				t.Errorf("a change of %s is no difference", path)
			}
		}, func(p *policy.Plant) reflect.Value { return reflect.ValueOf(p).Elem().Field(i) })
		if count == 0 {
			t.Errorf("nothing of %s was altered", field.Name)
		}
	}
}

// alter calls each with a way to change every value below v.
func alter(t *testing.T, v reflect.Value, path string, each func(string, func(*policy.Plant)), in func(*policy.Plant) reflect.Value) {
	switch value := v.Interface().(type) {
	case time.Time:
		each(path, func(p *policy.Plant) { in(p).Set(reflect.ValueOf(value.AddDate(0, 0, 1))) })
		return
	case netip.Addr:
		each(path, func(p *policy.Plant) { in(p).Set(reflect.ValueOf(value.Next())) })
		return
	case policy.ZoneName:
		other := policy.ZoneName("dmz")
		if value == other {
			other = "ops"
		}
		each(path, func(p *policy.Plant) { in(p).Set(reflect.ValueOf(other)) })
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				alter(t, v.Field(i), path+"."+f.Name, each, func(p *policy.Plant) reflect.Value { return in(p).Field(i) })
			}
		}
	case reflect.Slice:
		if v.Len() == 0 {
			each(path, func(p *policy.Plant) {
				one := reflect.New(v.Type().Elem()).Elem()
				if one.Kind() == reflect.String {
					one.SetString("x")
				}
				in(p).Set(reflect.Append(in(p), one))
			})
			return
		}
		if strings.Contains(path, ".") { // a whole section less is a matter of the other test: the plant's tables would not fit
			each(path, func(p *policy.Plant) { in(p).Set(in(p).Slice(0, v.Len()-1)) })
		}
		alter(t, v.Index(v.Len()-1), path+"[]", each, func(p *policy.Plant) reflect.Value { return in(p).Index(v.Len() - 1) })
	case reflect.String:
		each(path, func(p *policy.Plant) { in(p).SetString(v.String() + "x") })
	case reflect.Bool:
		each(path, func(p *policy.Plant) { in(p).SetBool(!v.Bool()) })
	case reflect.Int, reflect.Int64:
		each(path, func(p *policy.Plant) { in(p).SetInt(v.Int() + int64(time.Minute)) })
	case reflect.Uint8, reflect.Uint16:
		each(path, func(p *policy.Plant) { in(p).SetUint(v.Uint() ^ 1) })
	case reflect.Float64:
		each(path, func(p *policy.Plant) { in(p).SetFloat(v.Float() + 1) })
	default:
		t.Fatalf("no way to alter %s, a %s", path, v.Kind())
	}
}

func TestReachAt(t *testing.T) {
	p := changedPlant(t)
	out := map[string]string{}
	for _, r := range p.ReachAt("filler-plc", day("2026-11-24 03:07"), nil) {
		out[string(r.Port)+" "+string(r.Account)] = r.Refused
	}
	want := map[string]string{"modbus ": "calendar:line-1-outage", "sftp maint": "calendar:line-1-outage", "sftp recipes": "", "sftp viewer": "", "ssh maint": "calendar:line-1-outage", "ssh recipes": "", "ssh viewer": ""}
	if !reflect.DeepEqual(out, want) {
		t.Errorf("Tuesday night: %v", out)
	}
	for _, r := range p.ReachAt("filler-plc", day("2026-11-22 02:00"), []string{"line-1-key", "area-clear"}) {
		if r.Refused != "" {
			t.Errorf("Sunday night, with the key: %s %s", r.Target, r.Refused)
		}
	}
	for _, r := range p.ReachAt("filler-plc", day("2026-11-22 02:00"), []string{}) {
		if opens := r.Rights&^(policy.Look|policy.Copy) == 0; (r.Refused == "") != opens {
			t.Errorf("Sunday night, without the key: %s %q", r.Target, r.Refused)
		}
	}
	if r := p.ReachAt("cip-plc", day("2026-11-22 02:00"), nil); len(r) != 2 || r[0].Refused != "host-key-not-pinned" {
		t.Errorf("cip-plc: %+v", r)
	}
	if r := p.ReachAt("nobody", day("2026-11-22 02:00"), nil); r != nil {
		t.Errorf("nobody: %+v", r)
	}
}
