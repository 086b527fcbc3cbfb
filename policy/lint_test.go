package policy_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestLints(t *testing.T) {
	now := day("2026-11-23 00:00")
	for story, row := range map[string]struct {
		edit []string
		want string
	}{
		"business and control in one zone": {[]string{"levels: [3],       sl_t: 2, owner: ot-security", "levels: [3, 4],    sl_t: 2, owner: ot-security"}, "ZCR 3.2 zone ops: business"},
		"business straight to control":     {[]string{"levels: [3],       sl_t: 2, owner: ot-security", "levels: [3, 4],    sl_t: 2, owner: ot-security"}, "ZCR 3.2 conduit ops-utilities: leads from business (ops) straight to control (utilities)"},
		"safety beside others":             {[]string{"capper-drive:\n    {tag: CAP-1-DRV-01, name: Capper drive, zone: line-1, level: 0", "capper-drive:\n    {tag: CAP-1-DRV-01, name: Capper drive, zone: safety, level: 1"}, "ZCR 3.3 zone safety: safety assets (safety-plc) stand with others (capper-drive)"},
		"the broker among controllers":     {[]string{"levels: [3.5],     sl_t: 3", "levels: [2, 3.5],  sl_t: 3"}, "ZCR 3.6 zone dmz"},
		"no target level":                  {[]string{"levels: [1, 2],    sl_t: 2, owner: utilities-owner", "levels: [1, 2],    sl_t: 0, owner: utilities-owner"}, "ZCR 5.6 zone utilities: its target security level is 0"},
		"upwards":                          {[]string{"levels: [1, 2],    sl_t: 2, owner: utilities-owner", "levels: [1, 2],    sl_t: 3, owner: utilities-owner"}, "ZCR 5.6 conduit ops-utilities: leads from ops (SL-T 2) into a zone that asks for more, utilities (SL-T 3)"},
		"a side without its owner":         {[]string{"owners: [it-network, ot-security]\n    why: Historian", "owners: [it-network, line-1-owner]\n    why: Historian"}, "ZCR 6 conduit dmz-ops: ot-security owns one side"},
		"a review that is due":             {[]string{"review: 2026-12-31", "review: 2026-01-31"}, "ZCR 6 conduit ops-utilities: its review was due 2026-01-31"},
	} {
		var lines []string
		for _, l := range changedPlant(t, row.edit...).Lints(now) {
			lines = append(lines, fmt.Sprintf("%s %s: %s", l.Clause, l.What, l.Text))
		}
		if got := strings.Join(lines, "\n"); !strings.Contains(got, row.want) {
			t.Errorf("%s: no %q in\n%s", story, row.want, got)
		}
	}
	if all := changedPlant(t).Lints(now); len(all) != 0 {
		t.Errorf("the example: %+v", all)
	}
}
