package siem

import (
	"cmp"
	"strings"

	"penstock/audit"
)

// Classes of OCSF 1.2.0, by class_uid.
const (
	baseEvent     = 0
	fileActivity  = 1001
	accountChange = 3001
	authenticate  = 3002
	manageEntity  = 3004
	network       = 4001
	ssh           = 4007
	lifecycle     = 6002
)

// activity_id, whose meaning is the class's.
const (
	other = 99

	create, read, update, remove = 1, 2, 3, 4 // manageEntity; fileActivity but for remove

	opens, closes, refuses, passes = 1, 2, 5, 6 // network, ssh

	logon = 1 // authenticate

	enable, password, disable, factor = 2, 3, 5, 10 // accountChange; create is 1

	install, start, stop = 1, 3, 4 // lifecycle
)

// severity_id
const (
	informational = 1 + iota
	low
	medium
	high
)

// rule is how leaves of one type are mapped. Of a type that is not here the
// event is a base event with its body: nothing is kept from a SIEM.
type rule struct{ class, activity, severity int }

// rules: a new type of leaf gets its line here, and one in audit/README.md.
var rules = map[string]rule{
	"log.created":         {lifecycle, install, informational},
	"log.recovered":       {lifecycle, other, medium},
	"node.started":        {lifecycle, start, informational},
	"node.stopped":        {lifecycle, stop, informational},
	"backup.restored":     {lifecycle, other, high},
	"config.changed":      {manageEntity, update, low},
	"plant.proposed":      {manageEntity, create, low},
	"plant.answered":      {manageEntity, update, low},
	"plant.moved":         {manageEntity, update, low},
	"pattern.proposed":    {manageEntity, create, low},
	"pattern.answered":    {manageEntity, update, low},
	"pattern.moved":       {manageEntity, update, low},
	"pattern.doubted":     {manageEntity, update, medium},
	"spoken.signed":       {manageEntity, update, low},
	"spoken.missed":       {manageEntity, update, high},
	"spoken.cleared":      {manageEntity, update, medium},
	"clock.stepped":       {manageEntity, update, medium},
	"clock.accepted":      {manageEntity, update, low},
	"request.submitted":   {manageEntity, create, informational},
	"request.revised":     {manageEntity, update, informational},
	"request.withdrawn":   {manageEntity, remove, informational},
	"request.unanswered":  {manageEntity, update, informational},
	"request.woken":       {manageEntity, update, informational},
	"person.asked":        {manageEntity, update, informational},
	"answer.given":        {manageEntity, update, informational},
	"answer.withdrawn":    {manageEntity, update, low},
	"window.agreed":       {manageEntity, create, informational},
	"window.moved":        {manageEntity, update, informational},
	"gate.changed":        {manageEntity, update, informational},
	"escort.changed":      {manageEntity, update, informational},
	"handover.offered":    {manageEntity, create, informational},
	"handover.accepted":   {manageEntity, update, informational},
	"handover.rang":       {manageEntity, update, medium},
	"handback.given":      {manageEntity, update, informational},
	"handback.accepted":   {manageEntity, update, informational},
	"left.noted":          {manageEntity, create, low},
	"left.due":            {manageEntity, update, informational},
	"left.rang":           {manageEntity, update, medium},
	"left.gone":           {manageEntity, remove, informational},
	"hostkey.changed":     {manageEntity, update, high},
	"hostkey.accepted":    {manageEntity, update, medium},
	"hostkey.confirmed":   {manageEntity, update, medium},
	"hostkey.cleared":     {manageEntity, update, medium},
	"target.checked":      {manageEntity, read, low},
	"secret.sealed":       {manageEntity, update, low},
	"secret.used":         {manageEntity, read, informational},
	"secret.shown":        {manageEntity, read, medium},
	"secret.rotating":     {manageEntity, update, informational},
	"secret.rotated":      {manageEntity, update, informational},
	"secret.kept":         {manageEntity, update, medium},
	"block.set":           {manageEntity, create, medium},
	"block.lifted":        {manageEntity, remove, low},
	"kiosk.enrolled":      {manageEntity, create, medium},
	"kiosk.revoked":       {manageEntity, remove, medium},
	"outage.written":      {manageEntity, create, low},
	"outage.withdrawn":    {manageEntity, remove, low},
	"island.answered":     {manageEntity, remove, medium}, // a word for lifting it, or the lifting itself
	"recovery.began":      {manageEntity, update, high},
	"recovery.done":       {manageEntity, update, high},
	"authorities.rotated": {manageEntity, update, high},
	"person.suspended":    {accountChange, disable, medium},
	"envelope.sealed":     {manageEntity, create, medium},
	"envelope.opened":     {manageEntity, update, high},
	"envelope.voided":     {manageEntity, update, high},
	"roster.written":      {manageEntity, update, low},
	"deputy.named":        {manageEntity, update, low},
	"deputy.ended":        {manageEntity, update, low},
	"measure.baseline":    {manageEntity, create, informational},
	"measure.minutes":     {manageEntity, create, informational},
	"asset.backup":        {manageEntity, update, informational},
	"debt.opened":         {manageEntity, create, informational},
	"debt.closed":         {manageEntity, remove, informational},
	"file.held":           {manageEntity, create, low},
	"file.moved":          {manageEntity, update, low},
	"priority.changed":    {manageEntity, update, informational},
	"question.answered":   {manageEntity, update, informational},
	"call.made":           {manageEntity, update, low},
	"call.answered":       {manageEntity, update, low},
	"firm.changed":        {manageEntity, update, low},
	"firm.ended":          {manageEntity, update, low},
	"terms.accepted":      {manageEntity, update, informational},
	"training.noted":      {manageEntity, update, low},
	"account.linked":      {accountChange, other, low},
	"access.listed":       {manageEntity, update, informational},
	"access.signed":       {manageEntity, update, low},
	"ending.told":         {manageEntity, update, informational},
	"agent.invited":       {manageEntity, create, low},
	"agent.joined":        {manageEntity, update, low},
	"agent.confirmed":     {manageEntity, update, low},
	"agent.removed":       {manageEntity, remove, medium},
	"agent.up":            {network, opens, informational},
	"agent.down":          {network, closes, medium},
	"person.invited":      {accountChange, create, low},
	"person.joined":       {accountChange, other, informational},
	"person.confirmed":    {accountChange, enable, low},
	"person.changed":      {accountChange, other, low},
	"person.disabled":     {accountChange, disable, low},
	"key.enrolled":        {accountChange, other, low},
	"key.vouched":         {accountChange, enable, low},
	"key.removed":         {accountChange, other, low},
	"login.ok":            {authenticate, logon, informational},
	"login.refused":       {authenticate, logon, low},
	"access.refused":      {authenticate, logon, low},
	"cert.issued":         {manageEntity, create, informational},
	"cert.refused":        {manageEntity, create, low},
	"session.started":     {ssh, opens, informational},
	"session.ended":       {ssh, closes, informational},
	"channel.opened":      {ssh, opens, informational},
	"channel.refused":     {ssh, refuses, low},
	"channel.closed":      {ssh, closes, informational},
	"firstbyte":           {ssh, passes, informational},
	"file.transferred":    {fileActivity, update, informational},
	"operations.summary":  {network, passes, informational},
	"recording.heads":     {manageEntity, update, informational},
	"recording.late":      {manageEntity, update, medium},
	"recording.mode":      {manageEntity, update, low},
	"recording.recovered": {manageEntity, update, medium},
	"recording.failed":    {manageEntity, update, high},
	"recording.expired":   {manageEntity, remove, informational},
	"recording.deleted":   {manageEntity, remove, medium},
	"deletion.asked":      {manageEntity, update, medium},
	"hold.set":            {manageEntity, create, low},
	"hold.lifted":         {manageEntity, remove, medium},
	"review.drawn":        {manageEntity, create, informational},
	"review.noted":        {manageEntity, update, informational},
	"review.replied":      {manageEntity, update, informational},
	"review.signed":       {manageEntity, update, informational},
	"review.opened":       {manageEntity, read, informational},
	"review.closed":       {manageEntity, read, informational},
	"checkpoint.taken":    {manageEntity, read, informational},
	"outside.changed":     {manageEntity, update, high},
	"scanner.changed":     {manageEntity, update, medium},
	"backup.taken":        {manageEntity, read, low},
	"evidence.asked":      {manageEntity, read, low},
	"evidence.delivered":  {manageEntity, read, low},
}

// judge is the rule of a leaf: its type's, and what its body says beyond that.
func judge(name string, b body) rule {
	r, ok := rules[name]
	if !ok {
		return rule{baseEvent, other, informational}
	}
	switch name {
	case "window.moved":
		switch to := b.text("to"); {
		case to == "cut":
			r.severity = medium
		case to == "stepped", to == "opened" && b["emergency"] == true:
			r.severity = high
		}
	case "gate.changed":
		if b.text("says") == "stood-in" {
			r.severity = medium
		}
	case "outside.changed", "scanner.changed":
		if b.text("alarm") == "" {
			r.severity = informational
		}
	case "session.ended":
		if c := b.text("cause"); c == "cut" || c == "recorder" || c == "crash" || c == "policy" {
			r.severity = medium
		}
	case "key.enrolled":
		r.activity = cmp.Or(map[string]int{"password": password, "totp": factor, "passkey": factor}[b.text("kind")], other)
	case "channel.opened", "channel.refused":
		if b.text("kind") == "direct-tcpip" {
			r.class = network
		}
	case "operations.summary":
		if refused, _ := b["refused"].(map[string]any); len(refused) > 0 {
			r.severity = low
		}
	case "file.transferred":
		if b.text("direction") == "out" {
			r.activity = read
		} else if whole, _ := b["whole"].(bool); whole {
			r.activity = create
		}
	}
	return r
}

// fill sets what the leaf's class asks for, and what its body has for it.
func (w *wire) fill(leaf audit.Leaf, b body) {
	name := leaf.Body.Type()
	r := judge(name, b)
	w.ClassUID, w.CategoryUID, w.ActivityID, w.SeverityID = r.class, r.class/1000, r.activity, r.severity
	w.TypeUID = r.class*100 + r.activity
	if r.activity == other {
		w.ActivityName = brief(name)
	}
	w.StatusID = 1
	if strings.HasSuffix(name, ".refused") || strings.HasSuffix(name, ".failed") {
		w.StatusID = 2
	}
	w.StatusDetail = cmp.Or(b.text("why"), b.text("alarm"))
	if rule := b.text("rule"); w.StatusID == 2 && rule != "" {
		w.StatusDetail = brief(rule + ": " + w.StatusDetail)
	}
	by := &actor{&user{UID: brief(cmp.Or(leaf.Actor, "penstock"))}}
	switch r.class {
	case manageEntity:
		kind, _, _ := strings.Cut(name, ".")
		w.Actor, w.Entity, w.Src = by, &entity{kind, brief(leaf.Subject), b.text("name")}, at(b.text("source"))
	case accountChange:
		w.Actor, w.User = by, aboutWhom(leaf, b)
	case authenticate:
		w.Actor, w.User, w.Src = by, aboutWhom(leaf, b), at(b.text("source"))
	case ssh, network:
		w.Actor, w.Metadata.Profiles = by, []string{"host"}
		w.Src, w.Dst = ends(leaf, b)
		if name == "channel.closed" {
			w.Traffic = &traffic{b.number("in"), b.number("out")}
		}
	case fileActivity:
		w.Actor, w.Device = by, &device{0, b.text("asset")}
		if p := b.text("person"); p != "" {
			w.Actor = &actor{&user{UID: p}}
		}
		w.File = &file{0, base(b.text("path")), b.text("path"), b.number("bytes"), nil}
		if hash, ok := strings.CutPrefix(b.text("sha256"), "sha256:"); ok && b.text("hashed") == "content" {
			w.File.Hashes = []fingerprint{{3, hash}}
		}
	case lifecycle:
		w.App = &product{"Penstock", "Penstock", b.text("version")}
	}
}

// aboutWhom is the person that a leaf is about.
func aboutWhom(leaf audit.Leaf, b body) *user {
	u := &user{UID: cmp.Or(b.text("person"), b.text("name"), brief(leaf.Subject), "unknown")}
	if b.text("person") != "" {
		u.Name = b.text("name")
	}
	if firm := b.text("firm"); firm != "" {
		u.Org = &org{firm}
	}
	return u
}

// ends are where a session or channel comes from and where it goes. A channel's
// leaf has no address of the person: the session's name joins it with the leaf that has.
func ends(leaf audit.Leaf, b body) (src, dst *endpoint) {
	from := cmp.Or(at(b.text("source")), &endpoint{})
	from.UID = cmp.Or(b.text("session"), brief(leaf.Subject), "unknown")
	to := cmp.Or(at(b.text("target")), &endpoint{})
	to.UID = cmp.Or(b.text("asset"), "penstock/"+leaf.Node)
	to.Service = b.text("port")
	return from, to
}
