package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"penstock/broker/login"
	"penstock/policy"
	"penstock/policy/source"
)

// oidcFile is the plant's own sign-in service (oidc: in penstock.yaml). Issuer
// empty: there is none.
type oidcFile struct {
	Name, Issuer, Client, Groups string
	Secret                       string // file; empty: a public client
	CA                           string
	Roles                        map[string][]policy.Role // by group
	ACR                          []string
	Session                      time.Duration
	Networks                     []netip.Prefix
}

func readOIDC(dir string, v source.Value) (o oidcFile) {
	if !v.Here() {
		return o
	}
	f := v.Fields("name", "issuer", "client", "secret", "ca", "groups", "roles", "acr", "session", "networks")
	o = oidcFile{Name: cmp.Or(f.Get("name").Text(), "the plant's sign-in"), Issuer: f.Need("issuer").Text(), Client: f.Need("client").Text(), Groups: cmp.Or(f.Get("groups").Text(), "groups"),
		Secret: beside(dir, f.Get("secret").Text()), CA: beside(dir, f.Get("ca").Text()), Roles: map[string][]policy.Role{}, Session: time.Hour}
	if u, err := url.Parse(o.Issuer); f.Get("issuer").Here() && (err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && !loopbackHTTP(u)) {
		f.Get("issuer").Refuse(fmt.Sprintf("%q is no issuer", o.Issuer), "exactly as the service says it: https://login.kiel.example/realms/plant")
	}
	for _, e := range f.Get("roles").Entries() {
		for _, at := range e.OneOrMore() {
			role := policy.Role(at.Text())
			if slices.Contains(o.Roles[e.Key], role) {
				at.Refuse(fmt.Sprintf("%s is here twice", role), "")
			}
			o.Roles[e.Key] = append(o.Roles[e.Key], role)
		}
	}
	for _, at := range f.Get("acr").OneOrMore() {
		o.ACR = append(o.ACR, at.Text())
	}
	if at := f.Get("session"); at.Here() {
		o.Session = at.Duration(5*time.Minute, 12*time.Hour)
	}
	for _, at := range f.Get("networks").Items() {
		n, err := netip.ParsePrefix(at.Text())
		if err != nil {
			at.Refuse(fmt.Sprintf("%q is no network", at.Text()), "such as 10.1.2.0/24")
		}
		o.Networks = append(o.Networks, n)
	}
	return o
}

// loopbackHTTP: on this very machine a service may speak in the clear.
func loopbackHTTP(u *url.URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && err == nil && a.IsLoopback()
}

// open reads the secret and the certificates. A role that the plant file does not
// know would narrow nobody, so it is an error.
func (o oidcFile) open(plant *policy.Plant) (*login.OIDC, error) {
	if o.Issuer == "" {
		return nil, nil
	}
	config, err := trusting(o.CA)
	if err != nil {
		return nil, err
	}
	out := &login.OIDC{Name: o.Name, Issuer: o.Issuer, Client: o.Client, Groups: o.Groups, Roles: o.Roles, ACR: o.ACR, Session: o.Session, Networks: o.Networks}
	if config != nil {
		out.CA = config.RootCAs
	}
	for group, roles := range o.Roles {
		for _, r := range roles {
			if !plant.HasRole(r) {
				return nil, fmt.Errorf("oidc: group %s is for role %s, and the plant file has no such team", group, r)
			}
		}
	}
	if o.Secret == "" {
		return out, nil
	}
	secret, err := readPrivate(o.Secret)
	if err != nil {
		return nil, err
	}
	out.Secret = strings.TrimSpace(string(secret))
	return out, nil
}
