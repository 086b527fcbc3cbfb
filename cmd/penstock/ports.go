package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"penstock/broker/api"
	"penstock/policy"
)

func portsCommand() *cobra.Command {
	var config, side string
	var asJSON, asCSV bool
	cmd := &cobra.Command{Use: "ports --config penstock.yaml", Short: "Print the firewall request: which connections this plant needs, and why",
		Long: `Print every TCP connection that the server's file and the plant file need, for the
plant's firewalls and for the vendor's: source, destination, port, direction, why,
and who answers for it. Nothing else is needed; nothing is changed or asked of a server.`,
		Example: "  penstock ports --config penstock.yaml --csv > firewall.csv\n  penstock ports --config penstock.yaml --side vendor",
		Args:    exactly(0, "flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if side != "" && side != "plant" && side != "vendor" {
				return usage("--side is plant or vendor")
			}
			f, err := readServerFile(config)
			if err != nil {
				return err
			}
			plant, err := readPlantFile(f.Plant)
			if err != nil {
				return err
			}
			rows := []api.Port{}
			for _, r := range portRows(f, plant.plant) {
				if side == "" || r.Side == side {
					rows = append(rows, r)
				}
			}
			switch {
			case asJSON:
				return printPolicyJSON(cmd.OutOrStdout(), rows)
			case asCSV:
				return portsCSV(cmd.OutOrStdout(), rows)
			}
			return portsText(cmd.OutOrStdout(), rows)
		}}
	cmd.Flags().StringVar(&config, "config", "penstock.yaml", "the server's file")
	cmd.Flags().StringVar(&side, "side", "", "only the firewall of the plant, or of the vendor")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print CSV, for a spreadsheet or a ticket")
	return cmd
}

// portRows are all connections that the two files need.
func portRows(f serverFile, p *policy.Plant) []api.Port {
	here, _ := p.Zone(p.Start())
	owners := []string{string(here.Owner)}
	var rows []api.Port
	ways := []api.Port{{Port: f.SSHPort, What: "SSH", Why: "vendors' sessions, files and forwards; requests and certificates"}}
	if f.HTTPS.Here {
		pages := api.Port{Port: listenPort(f.HTTPS.Listen), What: "HTTPS", Why: "the pages: who agrees, opens and looks on; vendors' requests"}
		if f.HTTPS.Listen == f.SSH { // one port for both
			ways[0].What, ways[0].Why = "SSH and HTTPS on one port", ways[0].Why+"; "+pages.Why
		} else {
			ways = append(ways, pages)
		}
	}
	for _, w := range ways {
		out := w
		out.Side, out.Source, out.Destination, out.Direction, out.Owners = "vendor", "the vendor's computers", f.Name, "out to the plant", []string{"the vendor"}
		w.Side, w.Source, w.Destination, w.Direction, w.Owners = "plant", "vendors' networks (page People)", f.Name, "in to "+string(here.Name), owners
		if strings.Contains(w.What, "HTTPS") {
			w.Source += " and the plant's people"
		}
		rows = append(rows, out, w)
	}
	rows = append(rows, agentRows(f, p)...)
	for _, flow := range p.Flows() {
		if !flow.Agent {
			rows = append(rows, flowRow(f, p, flow))
		}
	}
	rows = append(rows, outsideRows(f, string(here.Name), owners)...)
	slices.SortStableFunc(rows, func(a, b api.Port) int { return strings.Compare(b.Side, a.Side) }) // the vendor's first
	return rows
}

func listenPort(address string) int {
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	return n
}

// agentRows are the lines that agents make: out of their zones, none into them.
func agentRows(f serverFile, p *policy.Plant) (rows []api.Port) {
	for _, z := range p.Zones {
		if z.ByAgent {
			rows = append(rows, api.Port{Side: "plant", Source: "the agent of " + string(z.Name), Destination: f.Name, Port: f.SSHPort,
				Direction: "out of " + string(z.Name), What: "SSH", Why: "the zone is reached through its agent; no connection is let into it", Owners: []string{string(z.Owner), "ot-security"}})
		}
	}
	return rows
}

func flowRow(f serverFile, p *policy.Plant, flow policy.Flow) api.Port {
	r := api.Port{Side: "plant", Source: f.Name, Address: flow.Target.Addr().String(), Port: int(flow.Target.Port()), What: flow.What, Why: flow.Why, Owners: []string{}}
	for _, o := range flow.Owners {
		r.Owners = append(r.Owners, string(o))
	}
	if a, ok := p.Asset(flow.FromAsset); ok {
		r.Source = a.Tag
	}
	r.Direction = string(flow.From) + " to " + string(flow.Zone)
	a, ok := p.Asset(flow.Asset)
	if !ok { // an input
		r.Destination, r.Direction = "input of gate "+flow.What, "out of "+string(flow.From)
		r.What = "gate"
		return r
	}
	r.Destination = a.Tag
	if len(flow.Conduits) > 0 {
		r.Why = strings.Join(flow.Conduits, ", ") + ": " + r.Why
	} else {
		r.Why = "in one zone"
	}
	return r
}

// outsideRows are where the broker itself turns to.
func outsideRows(f serverFile, zone string, owners []string) (rows []api.Port) {
	add := func(to, what, why string) {
		host, port := to, 443
		if u, err := url.Parse(to); err == nil && u.Host != "" {
			host = u.Hostname()
			if n, err := strconv.Atoi(u.Port()); err == nil {
				port = n
			}
		} else if h, n, err := net.SplitHostPort(to); err == nil {
			host = h
			port, _ = strconv.Atoi(n)
		}
		rows = append(rows, api.Port{Side: "plant", Source: f.Name, Destination: host, Port: port, Direction: "out of " + zone, What: what, Why: why, Owners: owners})
	}
	for _, o := range f.Outside.Places {
		why := "copies of the log's checkpoints (" + o.Name + ")"
		switch {
		case o.Witness != "":
			add(o.Witness, "HTTPS", why)
		case o.Syslog != "":
			add(o.Syslog, "syslog over TLS", why)
		case o.S3 != "":
			add(o.S3, "HTTPS", why)
		case o.Server != "":
			add(o.Server, "mail", why)
		}
	}
	for _, s := range f.SIEM {
		if s.Syslog != "" {
			add(s.Syslog, "syslog over TLS", "events to security monitoring ("+s.Name+")")
		}
	}
	for _, n := range f.Notices {
		switch {
		case n.Mail != "":
			add(n.Mail, "mail", "notices ("+n.Name+")")
		case n.Webhook != "":
			add(n.Webhook, "HTTPS", "notices ("+n.Name+")")
		case n.Call != "":
			if b, err := os.ReadFile(n.Call); err == nil { // its first line is the address; the rest are secrets
				first, _, _ := strings.Cut(string(b), "\n")
				add(strings.TrimSpace(first), "HTTPS", "notices ("+n.Name+")")
			}
		}
	}
	return rows
}

func portsText(out io.Writer, rows []api.Port) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	last := ""
	for _, r := range rows {
		if r.Side != last {
			fmt.Fprintf(w, "%s\nSOURCE\tDESTINATION\tPORT\tDIRECTION\tWHAT\tWHO ANSWERS\tWHY\n", map[string]string{"vendor": "The vendor's firewall", "plant": "The plant's firewalls"}[r.Side])
			last = r.Side
		}
		to := printable(r.Destination)
		if r.Address != "" {
			to += " " + r.Address
		}
		fmt.Fprintf(w, "%s\t%s\ttcp %d\t%s\t%s\t%s\t%s\n", printable(r.Source), to, r.Port, printable(r.Direction), printable(r.What), printable(strings.Join(r.Owners, ", ")), printable(r.Why))
	}
	return w.Flush()
}

func portsCSV(out io.Writer, rows []api.Port) error {
	w := csv.NewWriter(out)
	_ = w.Write([]string{"side", "source", "destination", "address", "protocol", "port", "direction", "what", "why", "who answers"}) // Error has what went wrong
	for _, r := range rows {
		cells := []string{r.Side, r.Source, r.Destination, r.Address, "tcp", strconv.Itoa(r.Port), r.Direction, r.What, r.Why, strings.Join(r.Owners, ", ")}
		for i, c := range cells {
			if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) { // a spreadsheet would take it for a formula
				cells[i] = "'" + c
			}
		}
		_ = w.Write(cells)
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}
