package web

import (
	"context"
	"net/http"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/policy"
)

// maxImport bounds the call: a sheet of people.MaxSheet in base64.
const maxImport = people.MaxSheet*4/3 + 64<<10

// importCalls are lists of firms and people from other systems.
func (s *server) importCalls(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/v1/firms/import/plan", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.FirmImport](r)
		if err != nil {
			return nil, err
		}
		return s.planImport(r.Context(), a, in)
	}))
	mux.HandleFunc("POST /api/v1/firms/import", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.FirmImport](r)
		if err != nil {
			return nil, err
		}
		return s.importFirms(r.Context(), a, in)
	}))
}

func sheetOf(in api.FirmImport) (people.Sheet, error) {
	sheet, err := people.ReadSheet(in.Format, in.Sheet)
	if err != nil { // about the file
		return sheet, &policy.Refusal{Rule: "unreadable-list", Say: "The list cannot be read: " + err.Error() + ".", Why: err.Error()}
	}
	return sheet, nil
}

func (s *server) planImport(ctx context.Context, a people.Actor, in api.FirmImport) (api.FirmsImported, error) {
	sheet, err := sheetOf(in)
	if err != nil {
		return api.FirmsImported{}, err
	}
	plan, err := s.Roster.PlanImport(ctx, a, in.System, sheet, s.Plant().Location())
	if err != nil {
		return api.FirmsImported{}, err
	}
	return importJSON(sheet, plan.Changes, plan.Problems, plan.Hash), nil
}

// importFirms writes what was looked at. What came before a fault stays, and its
// codes are given: they are nowhere else.
func (s *server) importFirms(ctx context.Context, a people.Actor, in api.FirmImport) (api.FirmsImported, error) {
	plan, err := audit.ParseHash(in.Plan)
	if err != nil {
		return api.FirmsImported{}, &policy.Refusal{Rule: "no-plan", Say: "Look at what the list would do first, and give back the print of it.", Why: err.Error()}
	}
	sheet, err := sheetOf(in)
	if err != nil {
		return api.FirmsImported{}, err
	}
	done, err := s.Roster.Import(ctx, a, in.System, sheet, s.Plant().Location(), plan, in.LeaveOut)
	if err != nil && len(done.Done) == 0 {
		return api.FirmsImported{}, err
	}
	out := importJSON(sheet, done.Done, done.Problems, audit.Hash{})
	if err != nil {
		ref := reference()
		s.Slog.Error("an import stopped", "reference", ref, "err", err)
		out.Stopped = "Something went wrong here, and the rest is not written. Bring the same list again; what is written stays. Tell OT security this reference: " + ref
	}
	for _, i := range done.Invitations {
		out.Invitations = append(out.Invitations, invitationJSON(i))
	}
	return out, nil
}

func importJSON(sheet people.Sheet, changes []people.ImportChange, problems []people.LeftOut, plan audit.Hash) api.FirmsImported {
	out := api.FirmsImported{Note: sheet.Note, Ignored: sheet.Ignored, Changes: []api.ImportChange{}, LeftOut: []api.LeftOut{}}
	if !plan.IsZero() {
		out.Plan = plan.String()
	}
	for _, c := range changes {
		out.Changes = append(out.Changes, api.ImportChange{Line: c.Line, Firm: string(c.Firm), Person: string(c.Person), Does: c.Does, Text: c.Text})
	}
	for _, p := range problems {
		out.LeftOut = append(out.LeftOut, api.LeftOut{Line: p.Line, Text: p.Text})
	}
	return out
}
