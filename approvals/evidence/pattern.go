package evidence

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// Bounds of a pattern.
const (
	MaxPatternTime   = 2 * 366 * 24 * time.Hour // from its proposal to its end
	MaxPatternDecide = MaxChangeTime            // how long it may wait for its answers
	DoubtsToReview   = 2                        // uses outside the purpose that put it up for review
)

// Pattern is the exact text that is answered by day so that a request inside it
// needs one yes at night: canonical JSON, put as a document, named by hash. Its
// frame stands in the plant file that it names. It is also the joint decision
// record: who agreed (the answers), why, and when they look at it again.
type Pattern struct {
	V        int        `json:"v"` // 1
	Pattern  string     `json:"pattern"`
	Frame    string     `json:"frame"`             // name of the frame in the plant file
	Follows  string     `json:"follows,omitempty"` // the pattern that it takes the place of, once agreed
	Firm     string     `json:"firm"`
	By       string     `json:"by"`     // who wrote it
	People   []string   `json:"people"` // on call, sorted
	Assets   []Target   `json:"assets"`
	Rights   []string   `json:"rights"`
	Minutes  int        `json:"minutes"`         // the longest window
	Gates    []string   `json:"gates,omitempty"` // asked besides those of the rules, sorted
	Purpose  string     `json:"purpose"`
	At       time.Time  `json:"at"`
	DecideBy time.Time  `json:"decide_by"`
	Until    time.Time  `json:"until"`  // it ends
	Review   time.Time  `json:"review"` // from then on it suffices no more, until it is agreed again
	Plant    audit.Hash `json:"plant"`  // plant file in force
	Nonce    string     `json:"nonce"`  // 32 random bytes, base64url without padding

	Registers []Registers `json:"registers,omitempty"` // that alone may be changed under it; a request names no others
}

// ParsePattern reads a pattern's document, as strictly as a request's.
func ParsePattern(b []byte) (Pattern, error) {
	var p Pattern
	if err := parse("pattern", b, &p); err != nil {
		return Pattern{}, err
	}
	if err := p.check(); err != nil {
		return Pattern{}, fmt.Errorf("pattern: %w", err)
	}
	return p, nil
}

func (p Pattern) check() error {
	err := errors.Join(
		isOne(p.V),
		counter("pattern", "P-", p.Pattern),
		name("frame", p.Frame),
		id("firm", p.Firm),
		id("by", p.By),
		ids("people", p.People),
		targets("assets", p.Assets),
		rights("rights", p.Rights),
		between("minutes", p.Minutes, 1, int(MaxSpan/time.Minute)),
		filled("purpose", p.Purpose, MaxReason),
		moment("at", p.At), moment("decide_by", p.DecideBy), moment("until", p.Until), moment("review", p.Review),
		gateNames(p.Gates),
		registers(p.Registers, p.Assets),
		set("plant", !p.Plant.IsZero()),
		nonce(p.Nonce),
	)
	if p.Follows != "" {
		err = errors.Join(err, counter("follows", "P-", p.Follows))
	}
	switch {
	case p.Follows == p.Pattern:
		err = errors.Join(err, errors.New("follows: is the pattern itself"))
	case !p.DecideBy.After(p.At) || p.DecideBy.Sub(p.At) > MaxPatternDecide:
		err = errors.Join(err, fmt.Errorf("decide_by: is not within %d days after at", int(MaxPatternDecide.Hours()/24)))
	case !p.Until.After(p.At) || p.Until.Sub(p.At) > MaxPatternTime:
		err = errors.Join(err, fmt.Errorf("until: is not within %d days after at", int(MaxPatternTime.Hours()/24)))
	case !p.Review.After(p.At):
		err = errors.Join(err, errors.New("review: is not after at"))
	}
	return err
}

func gateNames(list []string) error {
	if len(list) > MaxList {
		return fmt.Errorf("gates: %d, at most %d", len(list), MaxList)
	}
	for i, g := range list {
		if err := name(fmt.Sprintf("gates[%d]", i), g); err != nil {
			return err
		}
		if i > 0 && list[i-1] >= g {
			return fmt.Errorf("gates[%d]: %q is not after the one before: sorted, each once", i, short(g))
		}
	}
	return nil
}

// Ends is when it suffices no more: its end or its review, whichever is first.
func (p Pattern) Ends() time.Time {
	if p.Review.Before(p.Until) {
		return p.Review
	}
	return p.Until
}

// PatternQuorum is who must agree to a pattern, by the plant file: the error says
// why it does not fit the frame.
func PatternQuorum(plant *policy.Plant, p Pattern) (policy.Quorum, error) {
	frame, assets, set, err := p.frame(plant)
	if err != nil {
		return policy.Quorum{}, err
	}
	for _, g := range p.Gates {
		if _, there := plant.Gate(g); !there {
			return policy.Quorum{}, fmt.Errorf("the plant file has no gate %s", g)
		}
	}
	if end := plant.Ends(frame); p.Review.After(end) {
		return policy.Quorum{}, fmt.Errorf("it is looked at again at %s, and its frame %s at %s", clock(p.Review), p.Frame, clock(end))
	}
	return plant.PatternQuorum(frame, assets, set)
}

// frame is a pattern's frame, and what the pattern takes of it.
func (p Pattern) frame(plant *policy.Plant) (f policy.Pattern, assets []policy.AssetName, set policy.Rights, err error) {
	f, there := plant.Pattern(p.Frame)
	if !there {
		return f, nil, 0, fmt.Errorf("the plant file has no pattern %s", p.Frame)
	}
	for _, t := range p.Assets {
		if a := policy.AssetName(t.Asset); !slices.Contains(assets, a) {
			assets = append(assets, a)
		}
	}
	if set, err = policy.ParseRights(p.Rights); err == nil {
		err = f.Outside(assets, set, time.Duration(p.Minutes)*time.Minute)
	}
	if err == nil {
		err = p.holds(plant, f, set)
	}
	return f, assets, set, err
}

// holds: the registers are ones that the plant file holds, and lie in the frame's;
// no way in goes past those.
func (p Pattern) holds(plant *policy.Plant, f policy.Pattern, set policy.Rights) error {
	var targets []policy.Target
	for _, t := range p.Assets {
		targets = append(targets, t.Policy())
	}
	if err := plant.Holds(OnlyOf(p.Registers), targets); err != nil {
		return err
	}
	if !policy.OnlyWithin(OnlyOf(p.Registers), f.Only, targets) {
		return &policy.Refusal{Rule: "pattern-frame", Say: fmt.Sprintf("%s is for %s alone, and the pattern lets %s be changed.", f.Name, registersSay(AsRegisters(f.Only)), registersSay(p.Registers))}
	}
	if past := plant.Past(f.Only, targets, set); len(past) > 0 {
		return &policy.Refusal{Rule: "pattern-frame", Say: fmt.Sprintf("%s is for %s alone, and by %s of %s Penstock holds nobody to registers. Leave that way in out, or ask to look there.", f.Name, registersSay(AsRegisters(f.Only)), past[0].Port, past[0].Asset)}
	}
	return nil
}

// CheckPattern is empty if the answers suffice for this pattern: it lies in its
// frame of the plant file that it names, and everybody said yes who had to
// (policy.PatternQuorum), at least two different people of the plant, none of the
// firm, in time, with keys older than their answers, and proved as strongly as the
// rules ask for. Who wrote it may be one of them. keys nil means what it means for Check.
func CheckPattern(plant *policy.Plant, text []byte, answers []Given, keys []Key) (findings []string) {
	findings, _ = checkPattern(plant, text, answers, keys)
	return findings
}

func checkPattern(plant *policy.Plant, text []byte, answers []Given, keys []Key) (findings []string, counted []yes) {
	p, err := ParsePattern(text)
	if err != nil {
		return []string{err.Error()}, nil
	}
	if plant == nil || audit.HashOf(plant.Document()) != p.Plant {
		return []string{fmt.Sprintf("pattern %s: the plant file is not the one that it names, %s", p.Pattern, p.Plant)}, nil
	}
	q, err := PatternQuorum(plant, p)
	if err != nil {
		return []string{fmt.Sprintf("pattern %s: %v", p.Pattern, err)}, nil
	}
	q.Ask = nil // what a request says is asked of each request
	j := &judge{request: Request{Request: p.Pattern, Firm: p.Firm, People: p.People, To: p.DecideBy, Nonce: p.Nonce}, hash: audit.HashOf(text), origin: plant.Site.Origin, quorum: q}
	for _, g := range answers {
		a, err := ParseAnswer(g.Body)
		if err != nil {
			continue // a finding of yeses
		}
		j.about = at(g)
		j.must(a.Limits.none(), "it has limits, and a pattern is agreed as it is or not")
		j.must(a.Says != Extend && a.Says != NotBefore, "it says %s to a pattern", a.Says)
		j.must(!a.At.Before(p.At), "it was given before the pattern was proposed")
	}
	counted = j.yeses(answers, keys)
	j.quorate(counted)
	return j.findings, counted
}

// Basis is the pattern that a request names, for whoever judges the request.
type Basis struct {
	Text    []byte        // the pattern's document
	Stands  bool          // by the log it was agreed then, and neither withdrawn, over nor up for review: it stands for the plan
	Plant   *policy.Plant // that it names; this and the next two only where Stands is to be proved
	Answers []Given
	Keys    []Key
}

// Uses is empty if a request lies inside a pattern, at a moment: same firm, people
// on call, assets, rights, minutes, and over before the pattern is.
func (p Pattern) Uses(r Request, now time.Time) (findings []string) {
	must := func(is bool, format string, args ...any) {
		if !is {
			findings = append(findings, fmt.Sprintf(format, args...))
		}
	}
	must(r.Kind == Remote, "%s is for remote access, and the request is %s", p.Pattern, short(r.Kind))
	must(r.Firm == p.Firm, "%s is for %s, and the request for %s", p.Pattern, p.Firm, r.Firm)
	must(within(r.People, p.People), "%s is for %q, and the request for %q", p.Pattern, p.People, r.People)
	must(within(r.Assets, p.Assets), "the request has a way in that %s does not have", p.Pattern)
	must(within(r.Rights, p.Rights), "%s is for %q, and the request for %q", p.Pattern, p.Rights, r.Rights)
	must(len(r.FileHashes) == 0, "%s names no files by their hash, and the request does: somebody has to agree to them", p.Pattern)
	must(registersWithin(r.Registers, p.Registers, r.Assets), "%s lets %s be changed, and the request %s", p.Pattern, registersSay(p.Registers), registersSay(r.Registers))
	must(r.Minutes <= p.Minutes, "%s is for %d minutes, and the request for %d", p.Pattern, p.Minutes, r.Minutes)
	must(!r.To.After(p.Ends()), "%s ends at %s, and the request's span at %s", p.Pattern, clock(p.Ends()), clock(r.To))
	must(now.Before(p.Ends()), "%s ended at %s", p.Pattern, clock(p.Ends()))
	return findings
}

// quorumUnder is QuorumOf for a request that names a pattern.
func quorumUnder(plant *policy.Plant, r Request, b Basis) (policy.Quorum, error) {
	if audit.HashOf(b.Text) != r.Pattern {
		return policy.Quorum{}, fmt.Errorf("the pattern is not the one that the request names, %s", r.Pattern)
	}
	p, err := ParsePattern(b.Text)
	if err != nil {
		return policy.Quorum{}, err
	}
	frame, _, _, err := p.frame(plant)
	if err != nil {
		return policy.Quorum{}, err
	}
	_, assets := r.ways()
	set, err := policy.ParseRights(r.Rights)
	if err != nil {
		return policy.Quorum{}, err
	}
	slices.Sort(assets)
	q, err := plant.QuorumUnder(frame, b.Stands, slices.Compact(assets), set, policy.Within{From: r.From, To: r.To})
	if longest := time.Duration(p.Minutes) * time.Minute; longest < q.Longest {
		q.Longest = longest
	}
	return q, err
}

// stands proves that the pattern stood when the request was agreed: it was agreed
// to by who had to, by the plant file that it names and by the one that the request
// names, and the request lies inside it.
func (j *judge) stands(plant *policy.Plant, b Basis, last time.Time) {
	findings, counted := checkPattern(b.Plant, b.Text, b.Answers, b.Keys)
	j.findings = append(j.findings, findings...)
	p, err := ParsePattern(b.Text)
	if err != nil {
		return // a finding already
	}
	j.findings = append(j.findings, p.Uses(j.request, last)...)
	q, err := PatternQuorum(plant, p)
	if err != nil {
		j.must(false, "pattern %s: %v", p.Pattern, err)
		return
	}
	voices := map[string][]string{}
	for _, y := range counted {
		voices[y.Person] = y.roles
	}
	if len(findings) == 0 {
		for _, n := range missing(q.Needs, voices) {
			j.must(false, "pattern %s: %d yes of %s missing by the plant file that the request names", p.Pattern, n.Count, n.Role)
		}
	}
}

// newest is when the newest of the answers came.
func newest(answers []Given) (at time.Time) {
	for _, g := range answers {
		if g.Wall.After(at) {
			at = g.Wall
		}
	}
	return at
}
