package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// SetFirm makes or changes a firm; the fields are all of it but the terms, which
// SetTerms writes and this keeps, and where it was imported from, which an empty
// Source keeps. By a holder of a
// security role, with a code. A vendor has a sponsor among the plant's people;
// there is one plant, and no firm becomes or ceases to be it.
func (r *Roster) SetFirm(ctx context.Context, by Actor, f Firm) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	if !r.isSecurity(p) {
		return notYours(by.Person, f.ID, "change firm")
	}
	have, rev, err := r.firm(ctx, f.ID)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f.Plant != have.Plant {
		return refuse("one-plant", "There is one plant, made with the log. A firm does not become it.", "plant flag of %.40q", f.ID)
	}
	body, err := r.firmBody(ctx, f)
	if err != nil {
		return err
	}
	body.By, body.Terms, body.TermsDays, body.Source = string(by.Person), have.Terms, have.TermsDays, cmp.Or(f.Source, have.Source)
	return r.commit(ctx, firmRow+string(f.ID), rev+1, by.Person, body, p)
}

func (r *Roster) firmBody(ctx context.Context, f Firm) (audit.FirmChanged, error) {
	bad := func(err error) (audit.FirmChanged, error) {
		return audit.FirmChanged{}, refuse("firm-fields", "The firm cannot be written so: "+err.Error()+".", "%v", err)
	}
	if !policy.ValidID(string(f.ID)) {
		return bad(fmt.Errorf("an id is a small letter, then small letters, digits and hyphens, at most 32; not %.40q", f.ID))
	}
	if err := checkName("the name", f.Name); err != nil {
		return bad(err)
	}
	if err := checkText("the id of its source", f.Source, maxSource); err != nil {
		return bad(err)
	}
	networks, err := cleanNetworks(f.Networks)
	if err != nil {
		return bad(err)
	}
	if f.Plant == (f.Sponsor != "") {
		return bad(errors.New("a vendor has a sponsor of the plant, the plant has none"))
	}
	if f.Sponsor != "" {
		if err := r.plantSponsor(ctx, f.Sponsor); err != nil {
			return audit.FirmChanged{}, err
		}
	}
	return audit.FirmChanged{
		Firm: string(f.ID), Name: f.Name, Plant: f.Plant, Sponsor: string(f.Sponsor), Networks: networks, Until: cleanTime(f.Until),
	}, nil
}

func (r *Roster) plantSponsor(ctx context.Context, id policy.PersonID) error {
	facts, err := r.Facts(ctx, id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || !facts.Plant || facts.Disabled {
		return refuse("sponsor", "The sponsor is a person of the plant who is here now. Name another one.", "%.40q is not of the plant, or disabled", id)
	}
	return nil
}

// Networks reads networks as somebody typed them: with commas, semicolons, bars or
// white space between them. An address alone is a network of one. An error is a
// refusal (bad-network).
func Networks(text string) ([]netip.Prefix, error) {
	all, err := networks(text)
	if err != nil {
		return nil, refuse("bad-network", "That cannot be read: "+err.Error()+".", "%v", err)
	}
	return all, nil
}

func networks(text string) (all []netip.Prefix, err error) {
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ';' || r == '|' || r <= ' ' }) {
		n, err := netip.ParsePrefix(word)
		if a, alone := netip.ParseAddr(word); alone == nil && a.Zone() == "" {
			n, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%.60q is no network; write it as 198.51.100.0/24, or as 198.51.100.7 for one address", word)
		}
		all = append(all, n.Masked())
	}
	return all, nil
}

// widest networks of one firm, in bits: the largest that anybody is given by
// the registries. What is wider is a slip of the pen, and would let in whoever has a key.
const (
	widest4 = 8
	widest6 = 16
)

// cleanNetworks are the words of networks that one firm may have. It is the one
// rule for that: pages, API, lists and the first file all come by it.
func cleanNetworks(list []netip.Prefix) (words []string, err error) {
	if len(list) > maxNetworks {
		return nil, fmt.Errorf("%d networks; %d are the most", len(list), maxNetworks)
	}
	for _, n := range list {
		if !n.IsValid() {
			return nil, errors.New("a network is written as 198.51.100.0/24")
		}
		if err := tooWide(n); err != nil {
			return nil, err
		}
	}
	return networkWords(list), nil
}

func tooWide(n netip.Prefix) error {
	widest := widest6
	if n.Addr().Is4() {
		widest = widest4
	}
	switch {
	case n.Bits() == 0:
		return fmt.Errorf("%s is the whole world; write where the firm comes from", n)
	case n.Bits() < widest:
		return fmt.Errorf("%s is a large part of the world, and no firm has more than a /%d; write where the firm comes from", n, widest)
	}
	return nil
}

// networkWords masks, sorts and drops doubles.
func networkWords(list []netip.Prefix) (words []string) {
	for _, n := range list {
		words = append(words, n.Masked().String())
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// cleanTime is in UTC and whole seconds, so that it reads back as it was written.
func cleanTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}
