package web

import (
	"strings"
	"time"

	"penstock/policy"
)

// backupView is a machine's last backup.
type backupView struct {
	Last        stamp
	Age         string
	Old         bool
	Where, Tool string
	By          string // who said so; empty: the plant file
}

// backups reads for a page when machines were last backed up.
func (g *Pages) backups(v *visit) error {
	all, err := g.Desk.Backups(v.ctx())
	if err != nil {
		return err
	}
	v.saved = map[policy.AssetName]time.Time{}
	for name, b := range all {
		v.saved[name] = b.Last
	}
	return nil
}

// backedUp is somebody's word that a machine was backed up: now, or on a day.
func (g *Pages) backedUp(v *visit) error {
	f, at, name := v.r.PostForm, v.now, v.r.PathValue("id")
	if day := strings.TrimSpace(f.Get("day")); day != "" && day != v.now.In(v.plant.Location()).Format(time.DateOnly) {
		t, err := time.ParseInLocation(time.DateOnly, day, v.plant.Location())
		if err != nil {
			return &policy.Refusal{Rule: "bad-backup", Say: "Write the day as 2026-11-22.", Why: err.Error()}
		}
		at = t.Add(12 * time.Hour) // some time that day
	}
	if err := g.Desk.BackedUp(v.ctx(), v.actor, policy.AssetName(name), at, strings.TrimSpace(f.Get("where")), strings.TrimSpace(f.Get("tool"))); err != nil {
		return err
	}
	return g.done(v, "/assets/"+name, "Said. Requests show its age from now on.")
}
