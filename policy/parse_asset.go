package policy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/policy/source"
)

// numbers are the usual TCP ports of the protocols that have one.
var numbers = map[string]uint16{
	"ssh": 22, "http": 80, "s7": 102, "https": 443, "modbus": 502, "rdp": 3389,
	"opcua": 4840, "vnc": 5900, "enip": 44818, "iec104": 2404, "fins": 9600, "slmp": 5007,
}

// UsualNumber is the TCP port that the protocol has elsewhere, whatever this
// asset's number is; 0 where it has none.
func (p Port) UsualNumber() uint16 { return numbers[string(p.Name)] }

// ForwardNumber is the number by which somebody asks for a port of this asset
// in a forward: the protocol's usual one (502 for modbus), wherever the plant
// has moved it, unless another port of the asset stands there.
func (a Asset) ForwardNumber(port Port) uint16 {
	usual := port.UsualNumber()
	if usual == 0 || slices.ContainsFunc(a.Ports, func(p Port) bool { return p.Name != port.Name && p.Number == usual }) {
		return port.Number
	}
	return usual
}

// LocalNumber is the port on one's own computer that a forward to this number is
// told to take: the same, or a thousand or two more where only root has it.
func LocalNumber(there uint16) uint16 {
	for there < 1024 {
		there += 1000
	}
	return there
}

// overSSH are carried by conduits but are no ports: they use the ssh port's accounts.
var overSSH = []string{"sftp"}

func protocols() []string {
	all := slices.Clone(overSSH)
	for n := range numbers {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// everything is the worst that a way in can do where nobody declared it.
const everything = Look | Copy | Set | Operate | Load | Device

// assets reads the assets of the plant file itself, or of the files it lists,
// and those that penstock asset import wrote: of these an asset may still lack
// what makes it one that can be reached.
func (f *file) assets(v, imported source.Value) {
	from := []source.Value{v}
	if v.Kind() == "list" {
		from = nil
		for _, at := range f.some(v) {
			if text, ok := f.open(at); ok {
				from = append(from, source.Load(at.Text(), text, &f.Report))
			}
		}
	}
	seen := map[string]source.Place{}
	own := len(from)
	for _, at := range f.list(imported) {
		if text, ok := f.open(at); ok {
			from = append(from, source.Load(at.Text(), text, &f.Report))
		}
	}
	for i, one := range from {
		for _, e := range f.named(one, "asset") {
			if first, twice := seen[e.Key]; twice {
				e.Name.Refuse(fmt.Sprintf("asset %s is here twice; first at %s", e.Key, first), "keep one")
				continue
			}
			seen[e.Key] = e.At
			if i >= own && !has(e, "zone") {
				f.unplaced(e)
				continue
			}
			f.asset(e)
		}
	}
	if n := len(f.plant.Assets) + len(f.plant.Unplaced); n > maxAssets {
		v.Refuse(fmt.Sprintf("%d assets; at most %d are read", n, maxAssets), "")
	}
}

// open finds a file that the plant file names.
func (f *file) open(at source.Value) ([]byte, bool) {
	name := at.Text()
	if name == "" {
		return nil, false
	}
	if err := checkName(name); err != nil {
		at.Refuse(err.Error(), "files stand in the plant file's folder or below it")
		return nil, false
	}
	text, ok := f.files[name]
	if !ok {
		at.Refuse(fmt.Sprintf("there is no file %s", name), "files are named from the plant file's folder")
	}
	if ok && f.used[name] && name == f.main {
		at.Refuse("the plant file names itself", "")
		return nil, false
	}
	f.used[name] = true
	return text, ok
}

func has(e source.Entry, field string) bool {
	return e.Kind() == "mapping" && slices.ContainsFunc(e.Entries(), func(f source.Entry) bool { return f.Key == field })
}

// unplaced reads what an import knows of a machine whose zone nobody has said.
// It is no asset: nothing reaches it.
func (f *file) unplaced(e source.Entry) {
	s := e.Fields("tag", "name", "said", "lacks", "address", "is", "source", "stale")
	u := Unplaced{Name: AssetName(e.Key), Tag: s.Need("tag").Text(), Title: s.Need("name").Text(), Said: s.Get("said").Text(), Lacks: s.Need("lacks").Text(), Address: s.Get("address").Text(), Is: f.make(s.Get("is"))}
	u.Source, u.Stale = f.imported(s)
	f.plant.Unplaced = append(f.plant.Unplaced, u)
}

// imported is where an asset came from, and since when it is not there any more.
func (f *file) imported(s source.Fields) (Source, time.Time) {
	from := s.Get("source").Fields("system", "id")
	if s.Get("source").Here() {
		return Source{from.Need("system").Text(), from.Need("id").Text()}, s.Get("stale").Date()
	}
	return Source{}, s.Get("stale").Date()
}

func (f *file) make(v source.Value) Make {
	is := v.Fields("maker", "model", "firmware", "serial")
	return Make{is.Get("maker").Text(), is.Get("model").Text(), is.Get("firmware").Text(), is.Get("serial").Text()}
}

func (f *file) asset(e source.Entry) {
	s := e.Fields("tag", "name", "zone", "level", "address", "is", "stops", "interlocks", "backup", "one_writer", "safety", "ports", "via", "source", "stale")
	a := Asset{Name: AssetName(e.Key), Tag: s.Need("tag").Text(), Title: s.Need("name").Text(),
		Zone: ZoneName(f.mention(s.Need("zone"), "zone")), Level: s.Need("level").OneOf(levels...),
		OneWriter: s.Get("one_writer").Bool(), Safety: s.Get("safety").Text()}
	a.Address = f.address(s.Need("address"))
	a.Is = f.make(s.Get("is"))
	a.Source, a.Stale = f.imported(s)
	for _, at := range f.list(s.Need("stops")) {
		a.Stops = append(a.Stops, LineName(f.mention(at, "line")))
	}
	for _, at := range f.list(s.Get("interlocks")) {
		i := at.Fields("name", "trips")
		a.Interlocks = append(a.Interlocks, Interlock{i.Need("name").Text(), AssetName(f.mention(i.Need("trips"), "asset"))})
		if i.Get("trips").Here() && string(a.Interlocks[len(a.Interlocks)-1].Trips) == e.Key {
			i.Get("trips").Refuse("an interlock trips another asset", "")
		}
	}
	b := s.Get("backup").Fields("last", "where", "tool")
	a.Backup = Backup{b.Get("last").Date(), b.Get("where").Text(), b.Get("tool").Text()}
	for _, port := range f.named(s.Need("ports"), "port") {
		a.Ports = append(a.Ports, f.port(port))
	}
	slices.SortFunc(a.Ports, func(x, y Port) int { return strings.Compare(string(x.Name), string(y.Name)) })
	f.oneNumber(s.Get("ports"), a.Ports)
	f.via(s.Get("via"), &a)
	f.plant.Assets = append(f.plant.Assets, a)
	f.later = append(f.later, func() { f.checkAsset(s, a) })
	f.paths = append(f.paths, func() { f.checkWays(e.Name, a) })
}

func (f *file) address(v source.Value) netip.Addr {
	a := v.Addr()
	if why := NeverTarget(a); a.IsValid() && why != "" {
		v.Refuse(fmt.Sprintf("%s is no address of one machine: %s", a, why), "write the machine's own address")
		return netip.Addr{}
	}
	return a
}

func (f *file) oneNumber(v source.Value, ports []Port) {
	seen := map[uint16]PortName{}
	for _, p := range ports {
		if other, twice := seen[p.Number]; twice && p.Number != 0 {
			v.Refuse(fmt.Sprintf("%s and %s are both TCP %d", other, p.Name, p.Number), "two ways in have two numbers")
		}
		seen[p.Number] = p.Name
	}
}

func (f *file) port(e source.Entry) Port {
	p := Port{Name: PortName(e.Key), Worst: everything}
	known := []string{"tcp", "number", "rights", "enforced", "accounts", "strict_both"}
	if slices.Contains([]string{"scp", "rsync", "git", "sftp"}, e.Key) {
		e.Name.Refuse(e.Key+" is no port of its own", "it uses the ssh port's accounts; let the conduit carry sftp")
		return p
	}
	switch e.Key {
	case "ssh":
		known = append(known, "host_keys", "old_algorithms", "jumps")
	case "modbus":
		known = append(known, "unit", "umas", "unlisted", "registers")
		p.Unlisted = Unlisted{Look, Operate} // where nothing is said (DESIGN 6)
	}
	s := e.Fields(known...)
	f.number(e, s, &p)
	p.Enforced = f.enforced(s.Get("enforced"), e.Key)
	p.StrictBoth = e.Key != "ssh"
	if s.Get("strict_both").Here() {
		p.StrictBoth = s.Get("strict_both").Bool()
	}
	if s.Get("rights").Here() {
		p.Worst = f.rights(s.Get("rights"))
	}
	f.accounts(e, s, &p)
	f.hostKeys(s.Get("host_keys"), &p)
	f.old(s.Get("old_algorithms"), &p)
	f.jumps(s.Get("jumps"), &p)
	p.Unit = s.Get("unit").Int(0, 255)
	if p.Enforced == ByPenstock && !s.Get("unit").Here() {
		s.Get("enforced").Refuse("an inspector holds a client to one unit, and none is said", "add unit: and the id the machine answers to, often 1 or 255")
	}
	p.UMAS = s.Get("umas").Bool()
	if u := s.Get("unlisted"); u.Here() {
		l := u.Fields("read", "write")
		p.Unlisted = Unlisted{f.right(l.Need("read"), true), f.right(l.Need("write"), true)}
	}
	f.registers(s.Get("registers"), &p)
	return p
}

func (f *file) number(e source.Entry, s source.Fields, p *Port) {
	at := s.Get("tcp")
	if other := s.Get("number"); !at.Here() {
		at = other
	} else if other.Here() {
		other.Refuse("tcp and number say the same thing", "keep tcp")
	}
	p.Number = numbers[e.Key]
	if at.Here() {
		p.Number = uint16(at.Int(1, 65535))
	} else if p.Number == 0 {
		e.Name.Refuse(fmt.Sprintf("%s has no usual TCP port", e.Key), "add tcp: and its number")
	}
}

func (f *file) enforced(v source.Value, port string) Enforced {
	switch v.OneOf("penstock", "device", "nobody") {
	case "device":
		return ByDevice
	case "penstock":
		if !f.anyInspector && !slices.Contains(f.inspectors, port) {
			v.Refuse("no inspector for "+port+" in this build", "say enforced: nobody, or device if the device itself stops the rest")
			return ByNobody
		}
		return ByPenstock
	}
	return ByNobody
}

var accountName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)

func (f *file) accounts(e source.Entry, s source.Fields, p *Port) {
	v := s.Get("accounts")
	if e.Key == "ssh" && (!v.Here() || len(v.Entries()) == 0) {
		e.Name.Refuse("an ssh port has accounts", "accounts: {name: {rights: […], enforced: device}}")
		return
	}
	if v.Here() && (s.Get("rights").Here() || s.Get("enforced").Here()) {
		e.Name.Refuse("rights and enforced stand at the accounts where there are accounts", "move them there")
	}
	all := v.Entries()
	if len(all) > maxListed {
		v.Refuse(fmt.Sprintf("%d accounts; at most %d are read", len(all), maxListed), "")
		return
	}
	for _, at := range all {
		if !accountName.MatchString(at.Key) {
			at.Name.Refuse(fmt.Sprintf("%q cannot name an account", at.Key), "a letter or underscore, then up to 31 letters, digits, dots, dashes, underscores")
			continue
		}
		a := at.Fields("rights", "enforced", "files", "login", "prompts", "rotate", "subsystems")
		one := Account{Name: AccountName(at.Key), Worst: everything, Enforced: f.enforced(a.Get("enforced"), e.Key)}
		if a.Get("rights").Here() {
			one.Worst = f.rights(a.Get("rights"))
		}
		f.fileRules(a.Get("files"), &one)
		if e.Key == "ssh" {
			f.login(a, &one)
			f.subsystems(a.Get("subsystems"), &one)
		} else if at := a.Get("subsystems"); at.Here() {
			at.Refuse("subsystems are SSH's", "leave subsystems out")
		}
		p.Accounts = append(p.Accounts, one)
	}
	slices.SortFunc(p.Accounts, func(a, b Account) int { return strings.Compare(string(a.Name), string(b.Name)) })
}

// subsystemName is what stock clients and sshd take for one.
var subsystemName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$`)

// subsystems reads which SSH subsystems an account may be asked for. Files keep
// their own way: whether sftp passes is the conduits' to say.
func (f *file) subsystems(v source.Value, a *Account) {
	for _, at := range f.some(v) {
		name := at.Text()
		switch {
		case name == "":
		case strings.EqualFold(name, "sftp"):
			at.Refuse("sftp passes where conduits carry it", "carries: [ssh, sftp] at the conduits")
		case !subsystemName.MatchString(name):
			at.Refuse(fmt.Sprintf("%q cannot name a subsystem", name), "letters, digits, dots, dashes, underscores, such as netconf")
		case slices.Contains(a.Subsystems, name):
			at.Refuse("subsystem "+name+" is here twice", "")
		default:
			a.Subsystems = append(a.Subsystems, name)
		}
	}
	slices.Sort(a.Subsystems)
}

func (f *file) hostKeys(v source.Value, p *Port) {
	for _, at := range f.some(v) {
		text := at.Text()
		if text == "" {
			continue
		}
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
		switch {
		case err != nil || len(rest) > 0:
			at.Refuse("this is no host key", "paste the line that ssh-keyscan prints, without the host's name: ssh-ed25519 AAAA…")
			continue
		case len(options) > 0:
			at.Refuse("a host key has no options", "leave them out")
			continue
		case strings.Contains(key.Type(), "-cert-") || key.Type() == ssh.InsecureKeyAlgoDSA:
			at.Refuse(key.Type()+" cannot be pinned", "pin the machine's ed25519, ecdsa or rsa key")
			continue
		}
		line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		if slices.Contains(p.HostKeys, line) {
			at.Refuse("this host key is here twice", "")
			continue
		}
		p.HostKeys = append(p.HostKeys, line)
	}
}

// registers reads a sheet: a mapping here, or the name of a CSV file.
func (f *file) registers(v source.Value, p *Port) {
	if v.Kind() == "text" {
		if text, ok := f.open(v); ok {
			f.sheet(v.Text(), text, p)
		}
		return
	}
	t := taken{}
	for _, e := range v.Entries() {
		s := e.Fields("name", "right", "read", "unit", "min", "max", "why", "type", "scale")
		r := Register{Object: e.Key, Name: s.Need("name").Text(), Read: Look, Write: f.right(s.Get("right"), true), Unit: s.Get("unit").Text(), Why: s.Get("why").Text(),
			Type: s.Get("type").OneOf(RegisterTypes...), Scale: s.Get("scale").Number()}
		if s.Get("read").Here() {
			r.Read = f.right(s.Get("read"), true)
		}
		if s.Get("min").Here() != s.Get("max").Here() {
			e.Name.Refuse("min and max go together", "")
		}
		r.Limited, r.Min, r.Max = s.Get("min").Here(), s.Get("min").Number(), s.Get("max").Number()
		f.register(t, r, p, e.Name)
	}
}

func (f *file) register(t taken, r Register, p *Port, at source.Value) {
	if len(p.Registers) >= maxNamed {
		at.Refuse(fmt.Sprintf("more than %d registers", maxNamed), "")
		return
	}
	if wrong := t.add(p, r); wrong != "" {
		at.Refuse(wrong, "")
	}
}

// taken are the places of a sheet, with the object that has each.
type taken map[place]string

type place struct {
	table   string
	address int
}

// add puts r into the port's sheet, or says why not.
func (t taken) add(p *Port, r Register) (wrong string) {
	table, address, err := r.Place()
	switch {
	case err != nil:
		return err.Error()
	case r.Limited && r.Min > r.Max:
		return fmt.Sprintf("the least value of %s is above its greatest", r.Object)
	case r.Scale < 0 || r.Scale != 0 && (r.Scale < 1e-9 || r.Scale > 1e9):
		return fmt.Sprintf("the scale of %s is a number above 0, such as 0.1 where the wire counts tenths", r.Object)
	case (table == "coil" || table == "discrete") && (r.Type != "" || r.Scale != 0 || r.Limited):
		return fmt.Sprintf("%s is one bit: it has no type, scale or limits", r.Object)
	case (table == "discrete" || table == "input") && r.Write != 0:
		return fmt.Sprintf("%s can only be read; leave its right out", r.Object)
	case address+r.Size() > 1<<16:
		return fmt.Sprintf("%s takes two registers, and only one is left behind it", r.Object)
	}
	for i := range r.Size() {
		other, there := t[place{table, address + i}]
		if !there {
			continue
		}
		if _, first, _ := (Register{Object: other}).Place(); first == address {
			return fmt.Sprintf("register %s is here twice", r.Object)
		}
		return fmt.Sprintf("%s and %s share a register", other, r.Object)
	}
	for i := range r.Size() {
		t[place{table, address + i}] = r.Object
	}
	p.Registers = append(p.Registers, r)
	return ""
}

var sheetColumns = []string{"object", "name", "right", "read", "unit", "min", "max", "why", "type", "scale"}

// sheet reads a register sheet in CSV: a head line with these columns in any
// order, then one register a line. An empty cell is not there.
func (f *file) sheet(name string, text []byte, p *Port) {
	at := func(line, column int) source.Place {
		return source.Place{File: name, Line: max(line, 1), Column: max(column, 1)}
	}
	if len(text) > source.MaxBytes {
		f.Add(at(0, 0), fmt.Sprintf("the sheet has %d bytes; at most %d are read", len(text), source.MaxBytes), "")
		return
	}
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff")))
	r.TrimLeadingSpace = true
	rows, err := r.ReadAll()
	if err != nil {
		line := 1
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			line = bad.Line
		}
		f.Add(at(line, 1), err.Error(), "commas between the cells, every line as many as the first")
		return
	}
	if len(rows) == 0 {
		f.Add(at(1, 1), "the sheet is empty", "its first line is "+strings.Join(sheetColumns, ","))
		return
	}
	if len(rows) > maxNamed {
		f.Add(at(1, 1), fmt.Sprintf("more than %d lines in one sheet", maxNamed), "")
		return
	}
	columns := map[string]int{}
	for i, c := range rows[0] {
		if _, twice := columns[c]; twice || !slices.Contains(sheetColumns, c) {
			f.Add(at(1, i+1), fmt.Sprintf("column %q is unknown or here twice", c), "columns are "+strings.Join(sheetColumns, ", "))
			return
		}
		columns[c] = i
	}
	t := taken{}
	for i, row := range rows[1:] {
		f.sheetRow(t, at(i+2, 1), row, columns, p)
	}
}

func (f *file) sheetRow(t taken, at source.Place, row []string, columns map[string]int, p *Port) {
	cell := func(column string) string {
		if i, ok := columns[column]; ok {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	word := func(column string, absent Rights) Rights {
		s := cell(column)
		i := slices.Index(rightWords, s)
		switch {
		case s == "":
			return absent
		case i >= 0:
			return 1 << i
		case s != "never":
			f.Add(at, fmt.Sprintf("%q is no right", s), "rights are "+strings.Join(rightWords, ", ")+", never")
		}
		return 0
	}
	number := func(column string) float64 {
		n, err := strconv.ParseFloat(cell(column), 64)
		if cell(column) != "" && (err != nil || n-n != 0) {
			f.Add(at, fmt.Sprintf("%s %q is no number", column, cell(column)), "")
		}
		return n
	}
	r := Register{Object: cell("object"), Name: cell("name"), Read: word("read", Look), Write: word("right", 0), Unit: cell("unit"), Why: cell("why"),
		Limited: cell("min") != "" || cell("max") != "", Min: number("min"), Max: number("max"),
		Type: cell("type"), Scale: number("scale")}
	switch {
	case r.Object == "" || r.Name == "":
		f.Add(at, "a line has an object such as 40012 or coil 17, and a name", "")
	case r.Type != "" && !slices.Contains(RegisterTypes, r.Type):
		f.Add(at, fmt.Sprintf("type %q is unknown", r.Type), "types are "+strings.Join(RegisterTypes, ", "))
	case (cell("min") == "") != (cell("max") == ""):
		f.Add(at, "min and max go together", "")
	default:
		if wrong := t.add(p, r); wrong != "" {
			f.Add(at, wrong, "")
		}
	}
}

// checkAsset looks for what two places of the file say differently.
func (f *file) checkAsset(s source.Fields, a Asset) {
	zone := f.plant.zones[a.Zone]
	if zone == nil {
		return
	}
	if a.Level != "" && !slices.Contains(zone.Levels, a.Level) {
		s.Get("level").Refuse(fmt.Sprintf("%s is at level %s, but zone %s has levels %s", a.Name, a.Level, zone.Name, strings.Join(zone.Levels, ", ")), "mend one of them")
	}
	if a.Safety != "" && !zone.VendorsNever {
		s.Get("safety").Refuse(fmt.Sprintf("safety asset %s stands in zone %s, which lets vendors in", a.Name, zone.Name), "put it into a zone with vendors: never")
	}
}

// checkWays looks at every way into an asset that vendors may reach.
func (f *file) checkWays(name source.Value, a Asset) {
	if f.plant.zones[a.Zone].VendorsNever {
		return
	}
	for _, port := range a.Ports {
		ways := []Account{{Worst: port.Worst, Enforced: port.Enforced}}
		if port.Login() {
			ways = port.Accounts
		}
		for _, w := range ways {
			f.reachable(name, a, port, w)
		}
	}
}

// reachable refuses a way in that no window can ever use: it can do more than
// the conduits carry, so it is always either too much or out of reach.
func (f *file) reachable(name source.Value, a Asset, port Port, w Account) {
	if w.Enforced == ByPenstock || f.plant.path(a.Zone, string(port.Name), Look) == nil || f.plant.path(a.Zone, string(port.Name), w.Worst) != nil {
		return
	}
	what := string(port.Name)
	if w.Name != "" {
		what += " account " + string(w.Name)
	}
	name.Refuse(fmt.Sprintf("%s of %s can do more (%s) than any conduit to zone %s carries, so nobody could use it", what, a.Name, w.Worst, a.Zone),
		"declare its real rights (undeclared is everything), or let the conduit carry them")
}
