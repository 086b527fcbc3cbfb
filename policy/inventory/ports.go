package inventory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"penstock/policy"
)

var wayWords = regexp.MustCompile(`^([a-z][a-z0-9-]{0,31})(?::([0-9]{1,5}))?(?:/([A-Za-z_][A-Za-z0-9_.-]{0,31}))?(?:=([a-z+]+))?(?:~(device|nobody))?$`)

// ports reads ways in, with blanks between: port[:number][/account][=right+right][~device].
// ssh/viewer=look~device ssh/maint=look+set modbus=look~device. What is not said
// is everything, and stopped by nobody.
func ports(it *item) string {
	byName := map[string]*policy.Port{}
	var order []string
	for _, word := range strings.Fields(it.row.Ports) {
		m := wayWords.FindStringSubmatch(word)
		if m == nil {
			return fmt.Sprintf("%q is no way in; write ssh/viewer=look~device or modbus=look+set", shown(word))
		}
		name, number, account := m[1], m[2], m[3]
		p := byName[name]
		if p == nil {
			p = &policy.Port{Name: policy.PortName(name)}
			byName[name], order = p, append(order, name)
		}
		if number != "" {
			if _, err := fmt.Sscanf(number, "%d", &p.Number); err != nil || p.Number == 0 {
				return fmt.Sprintf("%q is no TCP port", shown(number))
			}
		}
		var worst policy.Rights
		if m[4] != "" {
			var err error
			if worst, err = policy.ParseRights(strings.Split(m[4], "+")); err != nil {
				return err.Error()
			}
		}
		by := policy.ByNobody
		if m[5] == "device" {
			by = policy.ByDevice
		}
		if account == "" {
			p.Worst, p.Enforced = worst, by
		} else {
			p.Accounts = append(p.Accounts, policy.Account{Name: policy.AccountName(account), Worst: worst, Enforced: by})
		}
	}
	slices.Sort(order)
	var list []policy.Port
	for _, name := range order {
		p := *byName[name]
		if name == "ssh" && len(p.Accounts) == 0 {
			return "an ssh port has accounts; write ssh/viewer=look~device"
		}
		if name == "ssh" && it.row.HostKey != "" {
			p.HostKeys = []string{it.row.HostKey}
		}
		slices.SortFunc(p.Accounts, func(a, b policy.Account) int { return strings.Compare(string(a.Name), string(b.Name)) })
		list = append(list, p)
	}
	it.ports = portsYAML(list)
	return ""
}

// portsYAML writes ports as a plant file has them.
func portsYAML(list []policy.Port) string {
	var all []string
	for _, p := range list {
		var f []string
		if p.Number != 0 && p.Number != p.UsualNumber() {
			f = append(f, fmt.Sprintf("tcp: %d", p.Number))
		}
		if len(p.HostKeys) > 0 {
			keys := make([]string, len(p.HostKeys))
			for i, k := range p.HostKeys {
				keys[i] = quoted(k)
			}
			f = append(f, "host_keys: ["+strings.Join(keys, ", ")+"]")
		}
		if len(p.Accounts) == 0 {
			f = append(f, wayYAML(p.Worst, p.Enforced)...)
		} else {
			var accounts []string
			for _, a := range p.Accounts {
				accounts = append(accounts, string(a.Name)+": {"+strings.Join(wayYAML(a.Worst, a.Enforced), ", ")+"}")
			}
			f = append(f, "accounts: {"+strings.Join(accounts, ", ")+"}")
		}
		all = append(all, string(p.Name)+": {"+strings.Join(f, ", ")+"}")
	}
	return strings.Join(all, ", ")
}

// everything is what an undeclared way in can do.
const everything = policy.Look | policy.Copy | policy.Set | policy.Operate | policy.Load | policy.Device

func wayYAML(worst policy.Rights, by policy.Enforced) []string {
	f := []string{"enforced: " + by.String()}
	if worst != 0 && worst != everything {
		f = append(f, "rights: ["+strings.Join(worst.Words(), ", ")+"]")
	}
	return f
}
