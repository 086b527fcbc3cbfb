package main

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy/source"
)

// outsideFile is the part outside of penstock.yaml: where checkpoints go.
type outsideFile struct {
	Alarm, Refuse time.Duration // tamper window at which people are told, and at which nobody new gets in; 0: default, never
	Places        []outsidePlace
}

// outsidePlace is one place. Of Witness, Syslog, S3 and Mail exactly one is set.
type outsidePlace struct {
	Name  string
	Every time.Duration
	CA    string // PEM file; empty: the machine's own list
	Login string // file, 0600: two lines, name and secret

	Witness    string // https URL
	WitnessKey audit.WitnessVerifier

	Syslog string // HOST:PORT

	S3, Bucket, Prefix, Region string
	Retain                     time.Duration

	Mail, Server, From string // to whom, by HOST:PORT, as whom
}

var placeWord = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

func readOutside(dir string, v source.Value) (o outsideFile) {
	if !v.Here() {
		return o
	}
	part := v.Fields("alarm_after", "refuse_after", "places")
	if d := part.Get("alarm_after"); d.Here() {
		o.Alarm = d.Duration(30*time.Second, 30*24*time.Hour)
	}
	if d := part.Get("refuse_after"); d.Here() {
		o.Refuse = d.Duration(time.Minute, 90*24*time.Hour)
		if o.Alarm > 0 && o.Refuse > 0 && o.Refuse < o.Alarm {
			d.Refuse("sessions would be refused before anybody is told", "make refuse_after longer than alarm_after")
		}
	}
	seen := map[string]bool{"people": true}
	for _, item := range part.Need("places").Items() {
		o.Places = append(o.Places, readPlace(dir, item, seen))
	}
	if len(o.Places) == 0 && o.Refuse > 0 {
		part.Get("refuse_after").Refuse("without a place outside nobody would ever be let in", "name a place, or take refuse_after out")
	}
	return o
}

// ways of a place, each with the settings that are its own.
var waysOut = map[string][]string{
	"witness": {"key"},
	"syslog":  {},
	"s3":      {"bucket", "prefix", "region", "login", "retain"},
	"mail":    {"server", "from", "login"},
}

func readPlace(dir string, v source.Value, seen map[string]bool) (p outsidePlace) {
	known := []string{"name", "every", "ca"}
	way := ""
	for _, e := range v.Entries() {
		if own, ok := waysOut[e.Key]; ok && way == "" {
			way, known = e.Key, append(append(known, e.Key), own...)
		} else if ok {
			e.Name.Refuse("a place has one way, and this one has "+way+" already", "make another place of it")
			known = append(known, e.Key)
		}
	}
	if way == "" && v.Here() && v.Kind() == "mapping" {
		v.Refuse("nothing says how a checkpoint gets there", "add witness:, syslog:, s3: or mail:")
		for k, own := range waysOut {
			known = append(append(known, k), own...)
		}
	}
	f := v.Fields(known...)
	name := f.Need("name")
	p.Name = name.Text()
	switch {
	case p.Name != "" && !placeWord.MatchString(p.Name):
		name.Refuse(fmt.Sprintf("%q is no short name", p.Name), "up to 32 of a-z, 0-9 and -, beginning with a letter")
	case seen[p.Name]:
		name.Refuse(fmt.Sprintf("%q is taken", p.Name), "give each place a name of its own; people is for copies taken by hand")
	}
	seen[p.Name] = true
	p.CA, p.Login = beside(dir, f.Get("ca").Text()), beside(dir, f.Get("login").Text())
	p.Every = map[string]time.Duration{"s3": time.Hour, "mail": 24 * time.Hour}[way]
	if d := f.Get("every"); d.Here() {
		p.Every = d.Duration(time.Second, 7*24*time.Hour)
	}
	switch way {
	case "witness":
		p.readWitness(f)
	case "syslog":
		p.Syslog = hostPort(f.Get("syslog"), "siem.kiel.example:6514")
	case "s3":
		p.readS3(f)
	case "mail":
		p.readMail(f)
	}
	return p
}

func (p *outsidePlace) readWitness(f source.Fields) {
	p.Witness = httpsURL(f.Get("witness"), "https://witness.kiel.example:7443")
	if text := f.Need("key").Text(); text != "" {
		key, err := audit.ParseWitnessVerifier(text)
		if err != nil {
			f.Get("key").Refuse(err.Error(), "take it from witness.pub, or from what penstock witness serve says when it is ready")
		}
		p.WitnessKey = key
	}
}

func (p *outsidePlace) readS3(f source.Fields) {
	p.S3 = httpsURL(f.Get("s3"), "https://s3.kiel.example")
	p.Bucket, p.Prefix, p.Region = f.Need("bucket").Text(), f.Get("prefix").Text(), f.Get("region").Text()
	f.Need("login")
	p.Retain = f.Need("retain").Duration(24*time.Hour, 20*365*24*time.Hour)
}

func (p *outsidePlace) readMail(f source.Fields) {
	p.Mail, p.From = mailbox(f.Get("mail")), mailbox(f.Need("from"))
	p.Server = hostPort(f.Need("server"), "smtp.kiel.example:587")
}

func mailbox(v source.Value) string {
	s := v.Text()
	a, err := mail.ParseAddress(s)
	if s != "" && (err != nil || a.Name != "" || a.Address != s) {
		v.Refuse(fmt.Sprintf("%q is no address of a mailbox", s), "such as audit@kiel.example, without a name")
	}
	return s
}

func httpsURL(v source.Value, example string) string {
	s := v.Text()
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		said := fmt.Sprintf("%q", s)
		if strings.Contains(s, "@") || strings.ContainsAny(s, "?#") { // somebody's password may be in it, and this goes to logs
			said = "this"
		}
		v.Refuse(said+" is no https address", "such as "+example+"; a secret never belongs into it")
	}
	return strings.TrimSuffix(s, "/")
}

func hostPort(v source.Value, example string) string {
	s := v.Text()
	host, port, err := net.SplitHostPort(s)
	if s != "" && (err != nil || host == "" || port == "") {
		v.Refuse(fmt.Sprintf("%q is no host and port", s), "such as "+example)
	}
	return s
}
