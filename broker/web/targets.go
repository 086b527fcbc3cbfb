package web

import (
	"fmt"
	"net/http"
	"strings"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/api"
	"penstock/broker/vault"
	"penstock/policy"
)

// targetCalls are /api/v1/targets: the ways by which the broker itself gets into machines.
func (s *server) targetCalls(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/targets/keys", s.plant(func(r *http.Request, _ people.Actor) (any, error) {
		list, err := s.Desk.ChangedKeys(r.Context())
		return each(list, err, s.changedKeyJSON)
	}))
	mux.HandleFunc("POST /api/v1/targets/{asset}/check", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		in, err := read[api.TargetCheck](r)
		if err != nil {
			return nil, err
		}
		asset, account := policy.AssetName(r.PathValue("asset")), policy.AccountName(in.Account)
		if account == "" {
			return nil, badCall{fmt.Errorf("say as which account")}
		}
		if err := s.Desk.CheckTarget(r.Context(), a, asset, account); err != nil {
			return nil, err
		}
		return api.TargetChecked{Asset: string(asset), Account: in.Account, Findings: s.CheckTarget(r.Context(), asset, account)}, nil
	}))
	mux.HandleFunc("POST /api/v1/targets/{asset}/scan", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		asset := policy.AssetName(r.PathValue("asset"))
		if err := s.Desk.CheckTarget(r.Context(), a, asset, ""); err != nil {
			return nil, err
		}
		return s.ScanTarget(r.Context(), asset)
	}))
	mux.HandleFunc("POST /api/v1/targets/{asset}/key", s.plantDoes(s.keyWordCall))
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
	mux.HandleFunc("POST /api/v1/targets/{asset}/{account}/rotate", s.plantDoes(func(r *http.Request, a people.Actor) (any, error) {
		return api.Receipted{}, s.Vault.RotateNow(r.Context(), a, policy.AssetName(r.PathValue("asset")), policy.AccountName(r.PathValue("account")))
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

// keyWordCall is a person's word about a key that a machine showed, by its fingerprint.
func (s *server) keyWordCall(r *http.Request, a people.Actor) (any, error) {
	in, err := read[api.KeyWord](r)
	if err != nil {
		return nil, err
	}
	asset := policy.AssetName(r.PathValue("asset"))
	list, err := s.Desk.ChangedKeys(r.Context())
	if err != nil {
		return nil, err
	}
	key := in.Key // where no key is known by the fingerprint, the Desk says so
	for _, k := range list {
		if k.Asset == asset && (k.Key == in.Key || strings.HasSuffix(printOf(k.Key), " "+in.Key)) {
			key = k.Key
		}
	}
	switch in.Says {
	case "accept":
		err = s.Desk.AcceptKey(r.Context(), a, asset, policy.WindowID(in.Window), key, in.Why)
	case "confirm":
		err = s.Desk.ConfirmKey(r.Context(), a, asset, key, in.Why)
	case "clear":
		err = s.Desk.ClearKey(r.Context(), a, asset, key, in.Why)
	default:
		err = badCall{fmt.Errorf("says is accept, confirm or clear, not %.20q", in.Says)}
	}
	return api.Receipted{}, err
}

func (s *server) changedKeyJSON(k approvals.ChangedKey) api.ChangedKey {
	a, _ := s.Plant().Asset(k.Asset)
	out := api.ChangedKey{Asset: string(k.Asset), Key: k.Key, Fingerprint: printOf(k.Key), At: k.At, Window: string(k.Window), Session: string(k.Session),
		Accepted: string(k.Accepted), By: string(k.By), Confirmed: string(k.Confirmed), Why: k.Why, Closed: k.Closed}
	port, _ := a.Port("ssh")
	for _, pin := range port.HostKeys {
		out.Pinned = append(out.Pinned, printOf(pin))
	}
	return out
}

func secretJSON(k vault.Known) api.SecretState {
	return api.SecretState{Asset: k.Asset, Account: k.Account, Login: k.Wanted.String(), Sealed: k.Is(), Public: k.Public, By: k.By, At: k.At, Used: k.Used,
		Rotates: k.Rotate, Rotating: !k.Next.IsZero(), Failed: k.Failed, FailedAt: k.FailedAt, Lost: k.Lost, Jump: k.Jump}
}

// hostKeySentence is about a machine's own key.
func hostKeySentence(body audit.Body, _ roll) (says, weight string) {
	switch b := body.(type) {
	case audit.HostKeyChanged:
		return b.Asset + " showed another key than the plant pinned: " + printOf(b.Key) + ". Nothing was sent to it", "refused"
	case audit.HostKeyAccepted:
		return "accepted the new key of " + b.Asset + " for " + b.Window + " alone" + because(b.Why), "moved"
	case audit.HostKeyConfirmed:
		return "confirmed the new key of " + b.Asset + because(b.Why), "moved"
	case audit.HostKeyCleared:
		return "said that the key which " + b.Asset + " showed is not its own; the pinned one stays" + because(b.Why), "moved"
	}
	return "", ""
}

// secretSentence is about a secret of a machine.
func secretSentence(body audit.Body, _ roll) (says, weight string) {
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
