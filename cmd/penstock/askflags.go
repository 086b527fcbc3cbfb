package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/broker/api"
	"penstock/policy"
)

// askFlags are the flags of what is asked for that are no plain text.
type askFlags struct {
	targets          []string
	rights, from, to string
	jack             string

	// At most one of these is said: they are different kinds of request.
	emergency, connectivity, exception bool
	onSite                             string      // the laptop
	standing                           api.Machine // its frame
}

func (a *askFlags) bind(cmd *cobra.Command, ask *api.Ask) {
	f := cmd.Flags()
	f.StringVar(&ask.Firm, "firm", "", "firm of the people who will work")
	f.StringSliceVar(&ask.People, "person", nil, "who will work; may be repeated")
	f.StringSliceVar(&a.targets, "target", nil, "account@asset, or asset:port; may be repeated")
	f.StringVar(&ask.Pattern, "pattern", "", "the pattern to ask under, such as P-1; none: under none; without it the first that it lies inside")
	f.StringVar(&a.rights, "rights", "look", "rights, with commas: look,copy,set,operate,load,device")
	f.StringVar(&ask.Reason, "why", "", "why")
	f.StringVar(&ask.WorkOrder, "work-order", "", "work order")
	f.BoolVar(&ask.Drill, "drill", false, "an exercise of the plant's: as real as any, and counted in no measure")
	f.StringVar(&ask.Happening, "now", "", "what is happening there: safety (a safety function is degraded), stopped, degraded or planned; the priority follows from it")
	f.StringVar(&ask.Change, "change", "", "change number")
	f.StringVar(&ask.Backup, "backup", "", "which backup there is")
	f.StringVar(&ask.Backout, "backout", "", "the way back if it fails")
	f.StringVar(&ask.AreaClear, "area-clear", "", "who says that nobody stands at the machine")
	f.StringSliceVar(&ask.FileHashes, "file-hash", nil, "SHA-256 of a file that will be brought; may be repeated: where files wait, it is released by itself once it was looked at")
	f.StringArrayVar(&ask.Registers, "register", nil, "register that alone may be changed, by its name in the plant file; may be repeated, with \"asset: \" before it where two machines have it")
	f.BoolVar(&a.emergency, "emergency", false, "the quick way: one yes of the shift, look first, a second tap for more; everybody who must know is told, and it is reviewed")
	f.StringVar(&a.onSite, "on-site", "", "the name or tag of a laptop that comes to the machine itself: agreed and opened like any other, and not recorded; --target names the machine alone")
	f.StringVar(&a.jack, "jack", "", "with --on-site: the plant file's service jack that the laptop works through; then it is recorded, and --target names ways in")
	f.BoolVar(&a.exception, "exception", false, "outside a calendar, or for longer than the rules allow: both owners of the way and OT security agree, each by a key")
	f.BoolVar(&a.connectivity, "connectivity", false, "only try whether the way works, before the job: reached, host key compared, logged in, closed; nothing passes, half an hour at most, and the shift alone agrees")
	f.StringVar(&a.standing.Frame, "standing", "", "the plant file's frame in which a machine shall come in day and night; --person names the machine, and --to when it ends at the latest")
	f.StringVar(&a.standing.Keeper, "keeper", "", "of a standing agreement: who at the firm answers for the machine")
	f.StringSliceVar(&a.standing.Networks, "network", nil, "of a standing agreement: whence the machine comes, such as 198.51.100.7/32; may be repeated")
	f.IntVar(&ask.Minutes, "minutes", 60, "how long, once it is open")
	f.StringVar(&a.from, "from", askFrom, "earliest start: +90m, 22:00, 2026-11-22 22:00 or RFC 3339")
	f.StringVar(&a.to, "to", askTo, "latest end")
}

const askFrom, askTo = "+1s", "+12h"

// kind is the one that was asked for; empty: access from outside.
func (a *askFlags) kind() (kind string, err error) {
	var said []string
	for _, k := range []struct {
		flag, kind string
		said       bool
	}{
		{"--emergency", evidence.Emergency, a.emergency}, {"--on-site", evidence.OnSite, a.onSite != ""}, {"--connectivity", evidence.Connectivity, a.connectivity},
		{"--exception", evidence.Exception, a.exception}, {"--standing", evidence.Machine, a.standing.Frame != ""},
	} {
		if k.said {
			kind, said = k.kind, append(said, k.flag)
		}
	}
	switch {
	case len(said) > 1:
		return "", usage("%s are different things: leave all but one out", strings.Join(said, " and "))
	case a.jack != "" && kind != evidence.OnSite:
		return "", usage("a service jack is for a laptop on site: say which laptop, --on-site NAME")
	case a.standing.Keeper+strings.Join(a.standing.Networks, "") != "" && kind != evidence.Machine:
		return "", usage("--keeper and --network are of a machine that comes in day and night: say in which frame, --standing NAME")
	}
	return kind, nil
}

func (a *askFlags) fill(ask *api.Ask, l *time.Location) (err error) {
	if ask.Kind, err = a.kind(); err != nil {
		return err
	}
	ask.Rights = strings.Split(a.rights, ",")
	if ask.Kind == evidence.OnSite && a.jack == "" {
		err = a.machines(ask)
	} else {
		ask.Targets, err = parseTargets(a.targets)
	}
	if err != nil {
		return err
	}
	now := time.Now()
	switch ask.Kind {
	case evidence.OnSite:
		ask.Laptop, ask.Jack = a.onSite, a.jack
	case evidence.Connectivity:
		ask.Minutes = min(ask.Minutes, int(policy.LongestProbe/time.Minute))
	case evidence.Machine:
		return a.stand(ask, now, l)
	}
	if ask.From, err = parseTime(a.from, now, l); err != nil {
		return err
	}
	ask.To, err = parseTime(a.to, now, l)
	return err
}

// machines are the targets of a laptop that comes to the machine itself.
func (a *askFlags) machines(ask *api.Ask) error {
	for _, asset := range a.targets {
		if strings.ContainsAny(asset, "@:") {
			return usage("on site %q has no account and no port: say the asset alone", asset)
		}
		ask.Targets = append(ask.Targets, api.Target{Asset: asset})
	}
	return nil
}

// stand is what a standing agreement has in place of minutes and a span: from now,
// until it ends, confirmed as often as its frame says.
func (a *askFlags) stand(ask *api.Ask, now time.Time, l *time.Location) (err error) {
	ask.Machine, ask.Minutes = &a.standing, 0
	if a.from != askFrom {
		if ask.From, err = parseTime(a.from, now, l); err != nil {
			return err
		}
	}
	if a.to != askTo {
		ask.To, err = parseTime(a.to, now, l)
	}
	return err
}
