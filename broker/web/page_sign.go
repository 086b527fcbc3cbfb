package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"penstock/approvals/evidence"
	"penstock/broker/login"
	"penstock/policy"
)

// Signing on a page: a form that carries data-sign is first sent to its draft
// path; what comes back is signed by the person's passkey, and the form goes on
// with text and assertion in two fields. Without JavaScript, or without a
// passkey, it goes on as it is, and a code is asked for.

// signPlan is what a draft path answers. Go: "sign" over Text with Ask; "code":
// the form goes on as it is; "plain": it goes on, and no code is asked for on the
// way, because what comes first is a question back, or a no.
type signPlan struct {
	Go       string         `json:"go"`
	Text     string         `json:"text,omitempty"`
	Document string         `json:"document,omitempty"` // which text an answer must name
	Ask      *login.Request `json:"ask,omitempty"`
}

// Fields that a signed form carries.
const (
	signedText      = "signed_text"
	signedAssertion = "signed_assertion"
	signingField    = "signing" // the way is a signer's: no code is asked for on it
)

// signs says whether the form comes from somebody who signs: a code would be
// asked for in vain. What needs one still refuses without it (Desk, Roster).
func (v *visit) signs() bool {
	if !slices.Contains([]string{"yes", "extend", "step-up", "open", "go-on"}, path.Base(v.r.URL.Path)) {
		return false
	}
	return v.r.PostForm.Get(signedText) != "" || v.r.PostForm.Get(signingField) != ""
}

// passkeysHere says whether this browser is where passkeys are bound to: at
// another name of the same pages it has none.
func (g *Pages) passkeysHere(v *visit) bool {
	return g.Proofs.Passkeys() && v.plant.Site.Origin == "https://"+v.r.Host
}

// answerJSON writes a page's answer to its own script.
func (v *visit) answerJSON(what any) error {
	b, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("answer the page's script: %w", err)
	}
	v.w.Header().Set("Content-Type", "application/json")
	_, _ = v.w.Write(b) // the reader may be gone
	return nil
}

// plan is the answer for a text that the person could sign.
func (g *Pages) plan(v *visit, text unsigned, namespace, document string) error {
	b, err := text.Unsigned()
	if err != nil {
		return fmt.Errorf("write what is to be signed: %w", err)
	}
	ask, ok, err := g.Proofs.Ask(v.ctx(), v.actor, evidence.Challenge(namespace, b))
	if err != nil {
		return err
	}
	if !ok || !g.passkeysHere(v) {
		return v.answerJSON(signPlan{Go: "code"})
	}
	return v.answerJSON(signPlan{Go: "sign", Text: string(b), Document: document, Ask: &ask})
}

// refusedPlan lets the form go on, so that the person reads the refusal on a page.
func (v *visit) refusedPlan(err error) error {
	if _, ok := errors.AsType[*policy.Refusal](err); ok {
		return v.answerJSON(signPlan{Go: "plain"})
	}
	return err
}

// draftYes is what the yes of this form would sign.
func (g *Pages) draftYes(v *visit) error {
	y, err := g.readYes(v)
	if err != nil {
		return v.refusedPlan(err)
	}
	if v.wantsSure(y) {
		return v.answerJSON(signPlan{Go: "plain"})
	}
	a, err := g.Desk.Draft(v.ctx(), v.actor, y.request.ID, y.document, y.reply)
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, a, evidence.AnswerNamespace, y.document.String())
}

// signedForm reads the answer that a form carries; nil: it carries none.
func (g *Pages) signedForm(v *visit) (*evidence.Answer, error) {
	text := v.r.PostForm.Get(signedText)
	if text == "" {
		return nil, nil
	}
	a, err := evidence.ParseAnswer([]byte(text))
	if err != nil {
		return nil, badCall{fmt.Errorf("the signed text cannot be read: %w", err)}
	}
	a.Proof, err = g.assertion(v)
	return &a, err
}

// assertion is the proof in a form, by the reader's own passkey.
func (g *Pages) assertion(v *visit) (evidence.Proof, error) {
	said, err := login.ParseAssertion([]byte(v.r.PostForm.Get(signedAssertion)))
	if err != nil {
		return evidence.Proof{}, err
	}
	p, err := g.Roster.Person(v.ctx(), v.actor.Person)
	if err != nil {
		return evidence.Proof{}, fmt.Errorf("look up who signs: %w", err)
	}
	for _, k := range p.Keys {
		if k.Credential == said.ID {
			return said.Proof(k.ID), nil
		}
	}
	return evidence.Proof{}, &policy.Refusal{Rule: "no-such-key", Say: "This passkey is not yours here, or it was taken away. Nothing was done.", Why: "credential of nobody, or of another"}
}

// stepUpSigned makes a signature a proof of the person for what follows from it.
// It is kept for the session only once what was signed has been taken.
func (g *Pages) stepUpSigned(v *visit, signed *evidence.Answer) (keep func(), err error) {
	a, err := g.Proofs.Signed(v.ctx(), v.actor, *signed)
	if err != nil {
		return nil, err
	}
	v.actor = a
	return func() { v.s.stepUp(a, "") }, nil
}

// draftLater is what extending by this form would sign.
func (g *Pages) draftLater(v *visit) error {
	id := policy.WindowID(v.r.PathValue("id"))
	until, err := g.later(v, id)
	if err != nil {
		return v.refusedPlan(err)
	}
	a, err := g.Desk.DraftExtension(v.ctx(), v.actor, id, until)
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, a, evidence.AnswerNamespace, a.Request.String())
}

// draftTap is what opening a window, or letting it go on, would sign.
func (g *Pages) draftTap(v *visit) error {
	says := path.Base(path.Dir(v.r.URL.Path))
	a, err := g.Desk.DraftTap(v.ctx(), v.actor, windowID(v.r.PathValue("id")), says)
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, a, evidence.AnswerNamespace, "")
}

// draftTaking is what taking over by this form would sign.
func (g *Pages) draftTaking(v *visit) error {
	_, view, _, err := g.handoverAt(v, v.r.PathValue("id"))
	if err != nil {
		return v.refusedPlan(err)
	}
	a, err := g.Desk.DraftTakeOver(v.ctx(), v.actor, view.ID, view.ticked(v.r.PostForm))
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, a, evidence.AnswerNamespace, "")
}

func (g *Pages) draftVouch(v *visit) error {
	word, err := g.Roster.DraftVouch(v.ctx(), v.actor, personID(v.r.PathValue("id")), v.r.PostForm.Get("key"))
	if err != nil {
		return v.refusedPlan(err)
	}
	return g.plan(v, word, evidence.VouchNamespace, "")
}

// vouch takes the signed word for somebody's key.
func (g *Pages) vouch(v *visit) error {
	text := v.r.PostForm.Get(signedText)
	if text == "" {
		return g.vouchByHand(v)
	}
	word, err := evidence.ParseVouch([]byte(text))
	if err != nil || word.Person != v.r.PathValue("id") {
		return badCall{fmt.Errorf("the signed text cannot be read, or is for somebody else: %w", err)}
	}
	if word.Proof, err = g.assertion(v); err != nil {
		return err
	}
	if err := g.Roster.Vouch(v.ctx(), v.actor, word); err != nil {
		return err
	}
	return g.done(v, "/people", "Vouched for. Answers signed with this key count from now on.")
}

// vouchByHand says how it is done without a passkey of one's own.
func (g *Pages) vouchByHand(v *visit) error {
	who, key := personID(v.r.PathValue("id")), v.r.PostForm.Get("key")
	if _, err := g.Roster.DraftVouch(v.ctx(), v.actor, who, key); err != nil {
		return err
	}
	return &policy.Refusal{Rule: "key-needed", Why: "no passkey in this browser",
		Say: "A word for a key is signed with a key of your own. On a terminal: " + vouchLine(string(who), key, string(v.actor.Person))}
}

func vouchLine(who, key, by string) string {
	return "penstock people vouch " + who + " " + key + " --as " + by + " --sign-with ~/.ssh/id_ed25519"
}

func (g *Pages) removeKey(v *visit) error {
	who, key := personID(v.r.PathValue("id")), strings.TrimSpace(v.r.PostForm.Get("key"))
	if err := g.Roster.RemoveKey(v.ctx(), v.actor, who, key); err != nil {
		return err
	}
	back := "/people"
	if who == v.actor.Person {
		back = "/keys"
	}
	return g.done(v, back, "Taken away. It opens and signs nothing any more; what it signed before stands.")
}

// beginPasskeyIn gives a challenge to sign in with.
func (g *Pages) beginPasskeyIn(v *visit) error {
	ask, err := g.Proofs.BeginSignIn()
	if err != nil {
		return err
	}
	return v.answerJSON(signPlan{Go: "sign", Ask: &ask})
}

func (g *Pages) passkeyIn(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return badCall{err}
	}
	f := v.r.PostForm
	next, draft := inside(f.Get("next")), draftOf(f)
	a, k, err := g.Proofs.PasskeyIn(v.ctx(), source(v.r), []byte(f.Get(signedAssertion)))
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		return g.show(v, http.StatusForbidden, "sign-in", "Sign in", signInView{Say: r.Say, Next: next, Service: g.serviceHere(v, next, false), Line: g.passwordLine(), Passkeys: g.passkeysHere(v), Draft: draftFields(draft)})
	}
	if err != nil {
		return err
	}
	return g.enterAs(v, a, byPasskey(k.ID), next, draft)
}
