package policy_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

// Files go by the ssh port's accounts, and what takes less may go a shorter way:
// the owners of each way that a channel of the window could go are asked.
func TestExceptionAsksTheOwnersOfEveryWay(t *testing.T) {
	const line = "    carries: [ssh, sftp, modbus, vnc]\n    rights: [look, copy, set, operate, load]\n    owners: [ot-security, line-1-owner]\n    why: Filler maker's remote service, contract 4711\n    review: 2027-03-31\n"
	conduit := func(carries, rights, owner string) string {
		return "    carries: [" + carries + "]\n    rights: [" + rights + "]\n    owners: [ot-security, " + owner + "]\n    why: Filler\n    review: 2027-03-31\n"
	}
	const all, fromOps = "look, copy, set, operate, load", "  - name: ops-line-1\n    from: ops\n    to: line-1\n"
	for story, conduits := range map[string]string{
		"files by another way":         conduit("ssh, modbus, vnc", all, "line-1-owner") + fromOps + conduit("sftp", all, "plant-manager"),
		"what takes less by a shorter": conduit("modbus, vnc", all, "line-1-owner") + fromOps + conduit("ssh, sftp", all, "line-1-owner") + "  - name: dmz-line-1-look\n    from: dmz\n    to: line-1\n" + conduit("ssh", "look, copy", "plant-manager"),
	} {
		files := edited(t, line, conduits)
		files["plant.yaml"] = bytes.Replace(files["plant.yaml"], []byte("maint:   {rights: [look, copy, set, operate, load]"), []byte("maint:   {rights: [look, copy, set, load]"), 1)
		p := parse(t, files)
		q, err := p.ExceptionQuorum([]policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "recipes"}}, policy.Look|policy.Copy|policy.Set, policy.Within{From: day("2026-11-24 10:00"), To: day("2026-11-24 10:00").Add(24 * time.Hour)})
		if err != nil {
			t.Fatalf("%s: %v", story, err)
		}
		for _, role := range []policy.Role{"line-1-owner", "ot-security", "it-network", "plant-manager"} {
			if !slices.ContainsFunc(q.Needs, func(n policy.Need) bool { return n.Role == role }) {
				t.Errorf("%s: %s is not asked: %+v", story, role, q.Needs)
			}
		}
	}
}

// What a signed text waives is one thing: no calendar is called as the rules' longest is.
func TestNoCalendarIsCalledLongest(t *testing.T) {
	_, problems := policy.ParseWith(thisBuild, "plant.yaml", edited(t, "calendars:  ", "calendars:\n  longest: {weekly: [Mon-Sun 23:00-04:00]}\n#"))
	if err := problems.Err(); err == nil || !strings.Contains(err.Error(), "would read as one that waives the rules' longest") {
		t.Error(err)
	}
}
