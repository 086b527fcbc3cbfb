package web

import (
	"fmt"
	"net/http"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/broker/vault"
	"penstock/policy"
)

// targetCalls are /api/v1/targets: the ways by which the broker itself gets into machines.
func (s *server) targetCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/targets/secrets", s.plant(func(r *http.Request, a people.Actor) (any, error) {
		list, err := s.Vault.List(r.Context(), a)
		return each(list, err, secretJSON)
	}))
	mux.HandleFunc("POST /api/v1/targets/{asset}/{account}/secret", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.Secret](r)
		if err != nil {
			return nil, err
		}
		secret := vault.Secret(in.Secret)
		defer clear(secret)
		return api.Receipted{}, s.Vault.Set(r.Context(), a, policy.AssetName(r.PathValue("asset")), policy.AccountName(r.PathValue("account")), secret)
	}))
	mux.HandleFunc("POST /api/v1/targets/{asset}/{account}/show", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		step, err := read[api.Step](r)
		if err != nil {
			return nil, err
		}
		secret, err := s.Vault.Show(r.Context(), a, policy.AssetName(r.PathValue("asset")), policy.AccountName(r.PathValue("account")), step.Why)
		defer clear(secret)
		return api.Secret{Secret: string(secret)}, err
	}))
}

func secretJSON(k vault.Known) api.SecretState {
	return api.SecretState{Asset: k.Asset, Account: k.Account, Login: k.Wanted.String(), Sealed: k.Is(), Public: k.Public, By: k.By, At: k.At, Used: k.Used,
		Rotates: k.Rotate, Rotating: !k.Next.IsZero(), Failed: k.Failed, FailedAt: k.FailedAt, Lost: k.Lost, Jump: k.Jump}
}

// secretWords is a sentence about a secret of a machine for the log's page.
func secretWords(body audit.Body) (text, kind string) {
	of := func(account, asset string) string { return "the secret of " + account + " on " + asset }
	switch b := body.(type) {
	case audit.SecretSealed:
		return "sealed " + of(b.Account, b.Asset) + ", a " + b.Kind, "moved"
	case audit.SecretUsed:
		where := b.Session
		if b.Errand != "" {
			where = "the broker itself, to " + b.Errand
		}
		return "used " + of(b.Account, b.Asset) + fmt.Sprintf(" in %s", where), ""
	case audit.SecretShown:
		return "read " + of(b.Account, b.Asset) + because(b.Why), "refused"
	case audit.SecretRotating:
		return "replaces " + of(b.Account, b.Asset) + because(b.Why), ""
	case audit.SecretRotated:
		return "replaced " + of(b.Account, b.Asset) + ": the new one logs in", "moved"
	case audit.SecretKept:
		if b.Lost {
			return "does not know which of two secrets of " + b.Account + " on " + b.Asset + " logs in; both are kept" + because(b.Why), "refused"
		}
		return "did not replace " + of(b.Account, b.Asset) + ": the old one stays" + because(b.Why), "refused"
	}
	return "", ""
}
