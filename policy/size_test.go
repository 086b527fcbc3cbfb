package policy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/policy"
)

// large is a plant file of the size that DESIGN's issue 5 names: 10 000 assets
// in 500 zones behind 2 000 conduits, in several files.
func large(t testing.TB) map[string][]byte {
	t.Helper()
	const zones, assets, perFile = 500, 10_000, 1000
	var b strings.Builder
	b.WriteString("site: {id: kiel, name: Large, timezone: Europe/Berlin}\nteams:\n  ot-security: {name: OT security}\n  it-network: {name: IT}\n  shift: {name: Shift}\n")
	for i := range zones {
		fmt.Fprintf(&b, "  owner-%d: {name: Owner %d}\n", i, i)
	}
	b.WriteString("lines:\n  filling: {name: Filling, criticality: 1}\nzones:\n  dmz: {name: DMZ, levels: [3.5], sl_t: 3, owner: it-network, broker: here}\n")
	for i := range zones - 1 {
		fmt.Fprintf(&b, "  z-%d: {name: Zone %d, levels: [1, 2], sl_t: 2, owner: owner-%d, shift: shift}\n", i, i, i)
	}
	b.WriteString("conduits:\n")
	n := 0
	conduit := func(from, to, carries, rights string) {
		fmt.Fprintf(&b, "  - {name: c-%d, from: %s, to: %s, carries: [%s], rights: [%s], owners: [it-network, ot-security], why: Upkeep, review: 2027-03-31}\n", n, from, to, carries, rights)
		n++
	}
	for i := range zones - 1 { // by tens behind each other, so that paths are long
		from := "dmz"
		if i%10 != 0 {
			from = fmt.Sprintf("z-%d", i-1)
		}
		conduit(from, fmt.Sprintf("z-%d", i), "ssh, sftp", "look, copy, set, operate, load")
	}
	for i := 0; n < 2000; i++ {
		if from, to := i%(zones-1), (i*7+3)%(zones-1); from != to {
			conduit(fmt.Sprintf("z-%d", from), fmt.Sprintf("z-%d", to), "vnc", "look")
		}
	}
	b.WriteString("calendars:\n  nights: {weekly: [Mon-Fri 22:00-06:00]}\n  campaign: {freeze: [{from: 2026-12-18, to: 2027-01-04, name: Christmas}], except: [look]}\ngates:\n  key: {name: Key switch, kind: manual}\nrules:\n")
	b.WriteString("  - {name: look, when: {right: look}, plan: [], open: shift, longest: 8h}\n  - {name: change, when: {right: [copy, set, operate, load]}, plan: [owner], open: shift, longest: 8h, escort: true}\n  - {name: key, when: {right: [set, operate, load]}, gates: key, during: nights, not_during: campaign}\n")
	for i := range 400 {
		fmt.Fprintf(&b, "  - {name: zone-%d, when: {zone: z-%d, right: load}, plan: [owner, ot-security], open: shift, longest: 4h, ask: [backup]}\n", i, i)
	}
	b.WriteString("assets:\n")
	files := map[string][]byte{}
	for f := range assets / perFile {
		name := fmt.Sprintf("assets/%d.yaml", f)
		fmt.Fprintf(&b, "  - %s\n", name)
		var a strings.Builder
		for i := f * perFile; i < (f+1)*perFile; i++ {
			fmt.Fprintf(&a, "plc-%d: {tag: T-%d, name: Controller %d, zone: z-%d, level: 1, address: 10.%d.%d.%d, stops: [filling], one_writer: true, ports: {ssh: {host_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ], accounts: {viewer: {rights: [look], enforced: device}, maint: {rights: [look, copy, set, operate, load], enforced: nobody}}}}}\n",
				i, i, i, i%(zones-1), i>>16, i>>8&255, i&255)
		}
		files[name] = []byte(a.String())
	}
	files["plant.yaml"] = []byte(b.String())
	return files
}

// atWork is ann on the last asset of a long path, with 200 windows open beside hers.
func atWork() (policy.Facts, policy.Query, time.Time) {
	now := day("2026-11-24 02:00")
	f := policy.Facts{
		Person: policy.PersonFacts{ID: "ann", Firm: "krall", Keys: []string{"SHA256:a"}, Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Until: now.AddDate(1, 0, 0)},
		Window: policy.WindowFacts{ID: "W-17", Rev: 3, Agreed: true, Live: true, From: now.Add(-time.Hour), Until: now.Add(time.Hour), People: []policy.PersonID{"ann"},
			Targets: []policy.Target{{Asset: "plc-9489", Port: "ssh", Account: "maint"}}, Rights: all},
		Live: policy.LiveFacts{Escort: true, Gates: map[string]bool{"key": true}, Writers: map[policy.AssetName]policy.SessionID{}}}
	for i := range 200 {
		f.Live.Writers[policy.AssetName(fmt.Sprintf("plc-%d", i))] = policy.SessionID(fmt.Sprintf("S-%d", i))
		f.Blocks = append(f.Blocks, policy.Block{ID: fmt.Sprintf("B-%d", i), Person: "somebody", Until: now.Add(time.Hour)})
	}
	q := policy.Query{Stage: policy.AtChannel, Source: netip.MustParseAddr("198.51.100.7"), Asset: "plc-9489", Port: "ssh", Account: "maint", Rights: all, Kind: "shell", Session: "S-999", Key: "SHA256:a"}
	return f, q, now
}

// A decision at a door costs no memory, however large the plant.
func TestDecideAllocatesNothing(t *testing.T) {
	p := parse(t, large(t))
	if len(p.Assets) != 10_000 || len(p.Zones) != 500 || len(p.Conduits) != 2000 {
		t.Fatalf("%d assets, %d zones, %d conduits", len(p.Assets), len(p.Zones), len(p.Conduits))
	}
	f, q, now := atWork()
	for _, stage := range []policy.Stage{policy.AtChannel, policy.AtOperation} {
		q.Stage = stage
		if d := p.Decide(f, q, now); !d.Allow || len(d.Path) != 10 {
			t.Fatalf("%s: %s, path %v", d.Rule, d.Why, d.Path)
		}
		if n := testing.AllocsPerRun(1000, func() { p.Decide(f, q, now) }); n > 0 {
			t.Errorf("stage %d: %g allocations", stage, n)
		}
	}
}

func BenchmarkDecideInALargePlant(b *testing.B) {
	p := parse(b, large(b))
	f, q, now := atWork()
	b.ReportAllocs()
	for b.Loop() {
		if d := p.Decide(f, q, now); !d.Allow {
			b.Fatal(d.Rule)
		}
	}
}

func BenchmarkLoadALargePlant(b *testing.B) {
	files := large(b)
	for b.Loop() {
		parse(b, files)
	}
}

// A plant of 10 000 assets is read in a time that grows with it and no faster: at
// most three times as much for each asset as one of 1 000. (Less than a second of a
// processor without the race detector; the log says how long here.)
func TestLoadingGrowsWithThePlant(t *testing.T) {
	whole := large(t)
	small := map[string][]byte{"plant.yaml": []byte(string(whole["plant.yaml"])[:strings.Index(string(whole["plant.yaml"]), "  - assets/1.yaml")])}
	small["assets/0.yaml"] = whole["assets/0.yaml"]
	cpu := func() time.Duration { // of this process: how busy the machine is with others is not in it
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	took := func(files map[string][]byte) time.Duration {
		begin := cpu()
		if p, problems := policy.ParseWith(thisBuild, "plant.yaml", files); problems != nil || p == nil {
			t.Fatal(problems)
		}
		return cpu() - begin
	}
	empty := map[string][]byte{"plant.yaml": []byte(strings.Replace(string(small["plant.yaml"]), "assets:\n  - assets/0.yaml\n", "", 1))}
	base, one, ten := took(empty), took(small), took(whole)
	t.Logf("500 zones and 2 000 conduits %s, with 1 000 assets %s, with 10 000 %s", base, one, ten)
	if per := max(one-base, time.Millisecond); ten-base > 30*per {
		t.Errorf("ten times the assets took %.1f times as long", float64(ten-base)/float64(per))
	}
}
