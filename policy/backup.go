package policy

import (
	"fmt"
	"time"

	"penstock/policy/source"
)

// LastBackup is the later of what the plant file says and what the log says of a
// machine's last backup; zero: none is known.
func (p *Plant) LastBackup(name AssetName, logged map[AssetName]time.Time) time.Time {
	last := logged[name]
	if a := p.assets[name]; a != nil && a.Backup.Last.After(last) {
		return a.Backup.Last
	}
	return last
}

// StaleBackup is a refusal where a rule for these rights asks for a younger
// backup of the machine than there is at a moment; nil: none does.
func (p *Plant) StaleBackup(name AssetName, rights Rights, logged map[AssetName]time.Time, now time.Time) *Refusal {
	a := p.assets[name]
	if a == nil {
		return nil // what is no asset is refused by name elsewhere
	}
	for _, r := range a.rules {
		if r.Backup == 0 || !r.matches(a, "", rights) {
			continue
		}
		last := p.LastBackup(name, logged)
		switch age := now.Sub(last); {
		case last.IsZero():
			return refusal("no-backup", fmt.Sprintf("no backup of %s is known, and this work wants one: make one, and have the plant say so on the machine's page (or: penstock asset backup %s --at …)", a.Name, a.Name), "rule %s wants a backup of %s no older than %s; none is known", r.Name, a.Name, r.Backup)
		case age > r.Backup:
			return refusal("old-backup", fmt.Sprintf("the last backup of %s is %s old, and this work wants one no older than %s: make one, and have the plant say so on the machine's page (or: penstock asset backup %s --at …)", a.Name, Age(age), source.Words(r.Backup), a.Name), "rule %s wants a backup of %s no older than %s; the last was %s", r.Name, a.Name, r.Backup, last.Format(time.RFC3339))
		}
	}
	return nil
}

// Age is how old something is, in the unit that counts: "61 days", "5 hours".
func Age(d time.Duration) string {
	n, unit := int(d/(24*time.Hour)), "day"
	if n < 2 {
		n, unit = max(0, int(d/time.Hour)), "hour"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

func (w *walk) backup() no {
	if r := w.p.StaleBackup(w.asset.Name, w.effect(), w.f.Backups, w.now); r != nil {
		return r
	}
	if w.trace == nil {
		return nil
	}
	last := w.p.LastBackup(w.asset.Name, w.f.Backups)
	if last.IsZero() {
		return w.yes("backup", "no rule asks for one, and none is known")
	}
	return w.yes("backup", "the last is %s old", Age(w.now.Sub(last)))
}
