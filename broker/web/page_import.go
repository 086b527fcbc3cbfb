package web

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"penstock/broker/api"
)

// importView is a list of firms and people: what it would do, or did.
type importView struct {
	System, Format string
	Most           int // KiB of a file on this page

	Say       string // why it cannot be read
	Plan      *api.FirmsImported
	Changes   []api.ImportChange // those that write something, or need a look
	Same      int
	Writes    bool
	Sheet     string // base64, for the second step
	Done      *api.FirmsImported
	Invited   []importedView
	Line      string // what those who are invited type
	knownView        // and what their known_hosts needs before
	Until     stamp
}

type importedView struct{ Name, Who, Code, Phone string }

func (g *Pages) importPage(v *visit) error {
	return g.showImport(v, http.StatusOK, importView{System: "csv"})
}

func (g *Pages) showImport(v *visit, status int, view importView) error {
	view.Most = maxUpload >> 10
	return g.show(v, status, "import", "Firms and people from a list", view)
}

// readImport shows what an uploaded list would do. It writes nothing.
func (g *Pages) readImport(v *visit) error {
	text, err := v.uploaded("list")
	if err != nil {
		return err
	}
	in := api.FirmImport{Sheet: text, System: strings.TrimSpace(v.r.PostForm.Get("system")), Format: "csv"}
	if trimmed := strings.TrimLeft(string(text[:min(len(text), 64)]), "\ufeff \r\n\t"); strings.HasPrefix(trimmed, "[") {
		in.Format = "json"
	}
	view := importView{System: in.System, Format: in.Format}
	if len(text) > maxUpload {
		view.Say = "The file is too long for this page: penstock people import reads it."
		return g.showImport(v, http.StatusUnprocessableEntity, view)
	}
	plan, err := g.planImport(v.ctx(), v.actor, in)
	if no := say(err); err != nil && no != "" {
		view.Say = no
		return g.showImport(v, http.StatusUnprocessableEntity, view)
	}
	if err != nil {
		return err
	}
	view.Plan, view.Sheet = &plan, base64.StdEncoding.EncodeToString(text)
	for _, c := range plan.Changes {
		view.Writes = view.Writes || c.Does == "new" || c.Does == "changed" || c.Does == "invited"
		if c.Does == "same" {
			view.Same++
		} else {
			view.Changes = append(view.Changes, c)
		}
	}
	return g.showImport(v, http.StatusOK, view)
}

// writeImport writes what the page before showed, and shows the codes once.
func (g *Pages) writeImport(v *visit) error {
	f := v.r.PostForm
	sheet, err := base64.StdEncoding.DecodeString(f.Get("sheet"))
	if err != nil {
		return badCall{err}
	}
	done, err := g.importFirms(v.ctx(), v.actor, api.FirmImport{Sheet: sheet, System: f.Get("system"), Format: f.Get("format"), Plan: f.Get("plan"), LeaveOut: f.Get("leave_out") != ""})
	if err != nil {
		return err
	}
	view := importView{System: f.Get("system"), Done: &done, Line: g.sshLine("join"), knownView: g.known()}
	for _, i := range done.Invitations {
		view.Invited = append(view.Invited, importedView{i.Name, i.Firm + "/" + i.Person, i.Code, i.Phone})
		view.Until = v.at(i.Until)
	}
	slices.SortFunc(view.Invited, func(a, b importedView) int { return strings.Compare(a.Who, b.Who) })
	return g.showImport(v, http.StatusOK, view)
}
