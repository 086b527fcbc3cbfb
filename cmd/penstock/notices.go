package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/broker/notify"
	"penstock/policy/source"
)

// noticePlace is one way to tell people. Of Mail, Webhook and Call exactly one is set.
type noticePlace struct {
	Name     string
	Mail     string // SMTP server, HOST:PORT
	From     string
	Login    string // file
	Webhook  string // https URL
	Secret   string // file
	Call     string // file: the https URL, then header lines
	Body     string // file: template
	Each     bool   // a call for each person
	CA       string
	Networks []netip.Prefix
}

func readNotices(dir string, v source.Value) (all []noticePlace) {
	if !v.Here() {
		return nil
	}
	seen := map[string]bool{}
	for _, item := range v.Items() {
		f := item.Fields("name", "mail", "from", "login", "webhook", "secret", "call", "body", "each", "ca", "networks")
		p := noticePlace{Name: f.Need("name").Text(), Mail: hostPort(f.Get("mail"), "smtp.kiel.example:587"), From: mailbox(f.Get("from")), Login: beside(dir, f.Get("login").Text()),
			Webhook: httpsURL(f.Get("webhook"), "https://hooks.kiel.example/penstock"), Secret: beside(dir, f.Get("secret").Text()),
			Call: beside(dir, f.Get("call").Text()), Body: beside(dir, f.Get("body").Text()), Each: f.Get("each").Bool(), CA: beside(dir, f.Get("ca").Text())}
		switch {
		case p.Name != "" && !placeWord.MatchString(p.Name):
			f.Get("name").Refuse(fmt.Sprintf("%q is no short name", p.Name), "up to 32 of a-z, 0-9 and -, beginning with a letter")
		case seen[p.Name]:
			f.Get("name").Refuse(fmt.Sprintf("%q is taken", p.Name), "give each place a name of its own")
		}
		seen[p.Name] = true
		ways := 0
		for way, with := range map[string][]string{"mail": {"from"}, "webhook": {"secret"}, "call": {"body"}} {
			if !f.Get(way).Here() {
				continue
			}
			ways++
			for _, need := range with {
				if !f.Get(need).Here() {
					item.Refuse(way+" needs "+need, "add "+need+":")
				}
			}
		}
		if ways != 1 {
			item.Refuse("a notice goes by mail:, by webhook: or by call:, one of them", `mail: "smtp.kiel.example:587"`)
		}
		for _, at := range f.Get("networks").Items() {
			n, err := netip.ParsePrefix(at.Text())
			if err != nil {
				at.Refuse(fmt.Sprintf("%q is no network", at.Text()), "such as 10.1.2.0/24")
			}
			p.Networks = append(p.Networks, n)
		}
		all = append(all, p)
	}
	return all
}

// openNotices prepares the ways on which people hear that something waits for them.
func (h *plantHouse) openNotices() error {
	o := notify.Options{Dir: h.folder.notices(), Base: h.pagesAddress(), Plant: h.plant, Roster: h.roster, Words: evidence.Words, FileAsks: h.desk.FileAsks, Screen: h.screenOf, Now: time.Now, Slog: h.slog}
	for _, p := range h.file.Notices {
		one, err := p.open()
		if err != nil {
			return fmt.Errorf("notices %s: %w", p.Name, err)
		}
		o.Places = append(o.Places, one)
	}
	var err error
	h.notices, err = notify.Open(h.log, o)
	return err
}

// screenOf is the control room's screen at which a signed answer was tapped.
func (h *plantHouse) screenOf(ctx context.Context, answer audit.Hash) string {
	b, err := h.docs.Get(ctx, answer)
	if err != nil {
		return "" // the verifier finds it
	}
	a, err := evidence.ParseAnswer(b)
	if err != nil {
		return ""
	}
	return a.Kiosk
}

// pagesAddress is where the pages are, as a link says it.
func (h *plantHouse) pagesAddress() string {
	_, port, err := net.SplitHostPort(h.file.HTTPS.Listen)
	if err != nil || port == "443" || !h.file.HTTPS.Here {
		return "https://" + h.file.Name
	}
	return "https://" + net.JoinHostPort(h.file.Name, port)
}

func (p noticePlace) open() (notify.Place, error) {
	one := notify.Place{Name: p.Name, Where: p.Mail}
	config, err := trusting(p.CA)
	if err != nil {
		return one, err
	}
	o := notify.HTTPOptions{URL: p.Webhook, Networks: p.Networks, TLS: config, Now: time.Now}
	switch {
	case p.Mail != "":
		user, secret := "", ""
		if p.Login != "" {
			if user, secret, err = readLogin(p.Login); err != nil {
				return one, err
			}
		}
		one.Sink, err = notify.NewMail(notify.MailOptions{Server: p.Mail, From: p.From, User: user, Secret: secret, TLS: config})
	case p.Webhook != "":
		var secret []byte
		if secret, err = readPrivate(p.Secret); err != nil {
			return one, err
		}
		one.Where = p.Webhook
		one.Sink, err = notify.NewWebhook(o, strings.TrimSpace(string(secret)))
	default:
		one.Where = p.Call
		one.Sink, err = p.openCall(o)
	}
	return one, err
}

// openCall reads the file with the address and the headers, which are secrets
// of many a chat, and the template.
func (p noticePlace) openCall(o notify.HTTPOptions) (notify.Sink, error) {
	text, err := readPrivate(p.Call)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	o.URL = strings.TrimSpace(lines[0])
	header := http.Header{"Content-Type": {"application/json"}}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%s: after the address each line is NAME: VALUE", p.Call)
		}
		header.Set(textproto.TrimString(name), textproto.TrimString(value))
	}
	body, err := os.ReadFile(p.Body)
	if err != nil {
		return nil, fmt.Errorf("the template: %w", err)
	}
	return notify.NewCall(o, string(body), header, p.Each)
}

// readPrivate reads a small file that nobody else may read.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: run chmod go-rwx %s, and think about who may have read it", path, path)
	}
	if info.Size() > 64<<10 {
		return nil, errors.New(path + " is larger than 64 KiB")
	}
	return os.ReadFile(path)
}

// noticeLines say on the board what is wrong with telling people.
func (h *plantHouse) noticeLines() (lines []string) {
	for _, s := range h.notices.States() {
		if !s.Failing.IsZero() && time.Since(s.Failing) > time.Minute {
			lines = append(lines, fmt.Sprintf("Notices by %s do not go out since %s: ring people up.", s.Name, s.Failing.In(h.plant().Location()).Format("15:04")))
		}
	}
	return lines
}

func (h *plantHouse) noticeMetrics() prometheus.Collector {
	return scraped{[]*prometheus.Desc{
		desc("penstock_notices_failing_seconds", "Since notices of a place could not be sent; 0: they were.", "place"),
		desc("penstock_notices_sent", "Notices that a place took, since the start.", "place"),
		desc("penstock_notices_lost", "Notices that were given up, refused or older than an hour, since the start.", "place"),
	}, func(show func(int, float64, ...string)) error {
		for _, s := range h.notices.States() {
			failing := 0.0
			if !s.Failing.IsZero() {
				failing = max(0.001, time.Since(s.Failing).Seconds())
			}
			show(0, failing, s.Name)
			show(1, float64(s.Sent), s.Name)
			show(2, float64(s.Lost), s.Name)
		}
		return nil
	}}
}
