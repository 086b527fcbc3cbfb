package evidence

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/audit"
	"penstock/policy"
)

var night = time.Date(2026, 11, 21, 21, 0, 0, 0, time.UTC) // a Saturday, 22:00 in Kiel

// bytes32 is a nonce that a test can tell apart.
func bytes32(n int) string {
	b := make([]byte, 32)
	copy(b, strconv.Itoa(n))
	return base64.RawURLEncoding.EncodeToString(b)
}

// story is one request with its answers, before something goes wrong with it.
type story struct {
	plant   *policy.Plant
	request Request
	answers []Answer
	given   []Given // Body is filled in by check
	keys    []Key
	claim   func(*WindowClaim)
	told    func(*Request) // alters the computed lines
}

var (
	maint  = Target{"filler-plc", "ssh", "maint"}
	capper = Target{"capper-plc", "ssh", "maint"}
)

// newStory: ann of krall wants to load the filler; olaf owns the line, ines is
// ot-security, so two people have to agree.
func newStory(t testing.TB) *story {
	plant, hash := testPlant(t, plantText)
	s := &story{plant: plant, request: Request{V: 1, Request: "R-1", Rev: 1, Firm: "krall", By: "ann", People: []string{"ann"}, Kind: "remote",
		Assets: []Target{capper, maint}, Rights: []string{"look", "set", "load"}, Reason: "Valve timing", WorkOrder: "4711",
		Minutes: 120, From: night, To: night.Add(10 * time.Hour), Open: "shift", Plant: hash, Nonce: bytes32(0)}}
	Tell(plant, &s.request)
	s.answer("olaf", "line-1-owner")
	s.answer("ines", "ot-security")
	return s
}

// answer adds a yes of somebody of the plant.
func (s *story) answer(who, role string) {
	n := len(s.answers) + 1
	when := night.Add(-time.Hour).Add(time.Duration(n) * time.Minute)
	s.answers = append(s.answers, Answer{V: 1, Person: who, Firm: "fjord", Role: role, Says: Yes, Nonce: bytes32(n),
		At: when, DecideBy: night.Add(time.Hour), Proof: Proof{Kind: ProofTOTP, Data: strconv.FormatInt(when.Unix()/30, 10)}})
	s.given = append(s.given, Given{Leaf: audit.Place{Node: "a", Index: audit.Index(100 + n)}, Wall: when.Add(time.Second), Firm: "fjord", Roles: []string{role}, Plant: true})
	s.keys = append(s.keys, Key{Person: who, Kind: ProofTOTP, Since: audit.Place{Node: "a", Index: audit.Index(n)}})
}

func canonical(t testing.TB, v any) []byte {
	t.Helper()
	b, err := audit.Canonical(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check writes the documents and asks Check; answers that name no request answer this one.
func (s *story) check(t testing.TB) []string {
	t.Helper()
	Tell(s.plant, &s.request)
	if s.told != nil {
		s.told(&s.request)
	}
	text := canonical(t, s.request)
	for i := range s.answers {
		if s.answers[i].Request.IsZero() {
			s.answers[i].Request = audit.HashOf(text)
		}
		s.given[i].Body = canonical(t, s.answers[i])
	}
	w, err := Narrow(s.request, s.answers)
	if err != nil {
		w, _ = Narrow(s.request, nil)
	}
	w.Window = "W-1"
	if s.claim != nil {
		s.claim(&w)
	}
	return Check(s.plant, text, s.given, s.keys, w)
}

func TestCheck(t *testing.T) {
	for _, row := range []struct {
		story string
		do    func(*story)
		want  []string // words of each finding, in order; none: it holds
	}{
		{"two people who had to, and did", func(*story) {}, nil},
		{"limits of both are kept", func(s *story) {
			s.answers[0].Limits = Limits{Rights: []string{"look", "set"}, Minutes: 60}
			s.answers[1].Limits = Limits{Assets: []Target{maint}, Until: night.Add(time.Hour)}
		}, nil},
		{"the window may be narrower than it could be", func(s *story) {
			s.claim = func(w *WindowClaim) { w.Minutes, w.Assets = 5, w.Assets[:1] }
		}, nil},
		{"the Desk vouches for enrolment itself", func(s *story) { s.keys = nil }, nil},
		{"one of the two is missing", func(s *story) { s.drop(1) }, []string{"1 yes of ot-security missing"}},
		{"nobody answered", func(s *story) { s.drop(1); s.drop(0) }, []string{"line-1-owner missing", "ot-security missing"}},
		{"one person holds both roles and counts once", func(s *story) {
			s.drop(1)
			s.given[0].Roles = []string{"line-1-owner", "ot-security"}
		}, []string{"1 yes of ot-security missing"}},
		{"the same person twice counts once", func(s *story) {
			s.drop(1)
			s.answer("olaf", "line-1-owner")
			s.given[0].Roles = []string{"line-1-owner", "ot-security"}
			s.given[1].Roles = s.given[0].Roles
		}, []string{"1 yes of ot-security missing"}},
		{"the vendor's colleague says yes", func(s *story) {
			s.answers[1].Firm, s.given[1].Firm, s.given[1].Plant = "krall", "krall", false
		}, []string{"not the plant", "whose people work", "ot-security missing"}},
		{"a colleague who claims to be of the plant", func(s *story) {
			s.given[1].Firm, s.given[1].Plant = "krall", false
		}, []string{"the log says krall", "not the plant", "whose people work", "ot-security missing"}},
		{"somebody who works in the window says yes", func(s *story) {
			s.request.People = []string{"ann", "ines"}
		}, []string{"ines works in the window", "ot-security missing"}},
		{"whoever asked says yes", func(s *story) { s.request.By = "ines" }, []string{"wrote the request", "ot-security missing"}},
		{"the role was taken away before", func(s *story) { s.given[1].Roles = nil }, []string{"does not hold that role", "ot-security missing"}},
		{"the key is younger than the answer", func(s *story) { s.keys[1].Since.Index = 103 }, []string{"no code generator before", "ot-security missing"}},
		{"no key at all", func(s *story) { s.keys = s.keys[:1] }, []string{"no code generator before", "ot-security missing"}},
		{"the key is known to another node only", func(s *story) { s.keys[1].Since.Node = "b" }, []string{"no code generator before", "ot-security missing"}},
		{"two people with one key", func(s *story) {
			s.keys[0].Public, s.keys[1].Public = []byte("same"), []byte("same")
		}, []string{"the same key", "the same key", "line-1-owner missing", "ot-security missing"}},
		{"an asset was changed after the answers", func(s *story) {
			b, _ := audit.Canonical(s.request)
			s.answers[0].Request, s.answers[1].Request = audit.HashOf(b), audit.HashOf(b)
			s.request.Assets = []Target{{"filler-plc", "ssh", "viewer"}}
		}, []string{"line-1-owner missing", "ot-security missing"}},
		{"a nonce is used again", func(s *story) { s.answers[1].Nonce = s.answers[0].Nonce }, []string{"nonce was used at leaf a/101", "ot-security missing"}},
		{"the request's nonce is used again", func(s *story) { s.answers[1].Nonce = s.request.Nonce }, []string{"nonce is the request's", "ot-security missing"}},
		{"one code for two answers of one person", func(s *story) {
			s.answer("ines", "ot-security")
			s.answers[2].Proof, s.answers[2].At = s.answers[1].Proof, s.answers[1].At
		}, []string{"proof was used for the answer at leaf a/102"}},
		{"a code of ten minutes before", func(s *story) { s.answers[1].Proof.Data = step(s.answers[1].At.Add(-10 * time.Minute)) }, []string{"its code is of", "ot-security missing"}},
		{"a code of the signing in, four minutes before", func(s *story) { s.answers[1].Proof.Data = step(s.answers[1].At.Add(-4 * time.Minute)) }, nil},
		{"a code of the future", func(s *story) { s.answers[1].Proof.Data = step(s.answers[1].At.Add(3 * time.Minute)) }, []string{"its code is of", "ot-security missing"}},
		{"no code", func(s *story) { s.answers[1].Proof = Proof{} }, []string{"of no kind", "ot-security missing"}},
		{"step zero", func(s *story) { s.answers[1].Proof.Data = "0" }, []string{"not a number from 1", "ot-security missing"}},
		{"a step in another spelling", func(s *story) { s.answers[1].Proof.Data = "+" + s.answers[1].Proof.Data }, []string{"not a number from 1", "ot-security missing"}},
		{"a proof that this build cannot check", func(s *story) { s.answers[1].Proof.Kind = "palm" }, []string{"of no kind", "ot-security missing"}},
		{"decided too late", func(s *story) { s.answers[1].DecideBy = s.answers[1].At.Add(-time.Minute) }, []string{"had to be decided", "ot-security missing"}},
		{"in the log long after it had to be decided", func(s *story) { s.given[1].Wall = night.Add(2 * time.Hour) }, []string{"had to be decided", "ot-security missing"}},
		{"in the log before it was given", func(s *story) { s.given[1].Wall = s.answers[1].At.Add(-3 * time.Minute) }, []string{"before it was given", "ot-security missing"}},
		{"decidable after the span", func(s *story) { s.answers[1].DecideBy = s.request.To.Add(time.Hour) }, []string{"after the span's end", "ot-security missing"}},
		{"one no of somebody who had to be asked", func(s *story) {
			s.answer("otto", "ot-security")
			s.answers[2].Says, s.answers[2].Proof = No, Proof{}
		}, []string{"otto, who had to be asked, said no"}},
		{"a no of somebody who is not asked", func(s *story) {
			s.answer("mia", "shift")
			s.answers[2].Says, s.answers[2].Proof = No, Proof{}
		}, nil},
		{"a question does not count, nor does it stand against", func(s *story) {
			s.answer("otto", "ot-security")
			s.answers[2].Says, s.answers[2].Proof = Question, Proof{}
		}, nil},
		{"an answer to an older revision stands beside", func(s *story) {
			s.answer("otto", "ot-security")
			s.answers[2].Request = audit.HashOf([]byte("older"))
			s.answers[2].Says = No
			s.answers[2].Proof = Proof{}
		}, nil},
		{"limits that leave no asset in common", func(s *story) {
			s.answers[0].Limits.Assets = []Target{maint}
			s.answers[1].Limits.Assets = []Target{capper}
		}, []string{"limits of ines leave no asset that the limits of olaf leave"}},
		{"a window of another request", func(s *story) { s.claim = func(w *WindowClaim) { w.Request = audit.HashOf(nil) } }, []string{"another request"}},
		{"a window with one more person", func(s *story) { s.claim = func(w *WindowClaim) { w.People = []string{"ann", "bob"} } }, []string{`for ["ann" "bob"]`}},
		{"a window with one more way in", func(s *story) {
			s.claim = func(w *WindowClaim) { w.Assets = append(w.Assets, Target{"filler-plc", "ssh", "root"}) }
		}, []string{"a way in"}},
		{"a window with one more right", func(s *story) {
			s.claim = func(w *WindowClaim) { w.Rights = []string{"look", "set", "operate", "load"} }
		}, []string{"rights"}},
		{"a window with a right that a limit took", func(s *story) {
			s.answers[0].Limits.Rights = []string{"look"}
			s.claim = func(w *WindowClaim) { w.Rights = []string{"look", "set"} }
		}, []string{"rights"}},
		{"a longer window", func(s *story) { s.claim = func(w *WindowClaim) { w.Minutes++ } }, []string{"121 minutes"}},
		{"a window that begins before the span", func(s *story) {
			s.claim = func(w *WindowClaim) { w.From = w.From.Add(-time.Second) }
		}, []string{"before the span's begin"}},
		{"a window that ends after a limit", func(s *story) {
			s.answers[0].Limits.Until = night.Add(3 * time.Hour)
			s.claim = func(w *WindowClaim) { w.To = w.To.Add(time.Second) }
		}, []string{"which the request and the limits allow"}},
		{"a window for nobody and nothing", func(s *story) {
			s.claim = func(w *WindowClaim) { w.People, w.Assets, w.Rights, w.Minutes = nil, nil, nil, 0 }
		}, []string{"for []", "a way in", "rights", "0 minutes"}},
		{"longer than the rules allow", func(s *story) { s.request.Minutes = 300 }, []string{"the rules allow 4h"}},
		{"what the rules ask for is not filled in", func(s *story) { s.request.WorkOrder = "" }, []string{"does not say work_order"}},
		{"told as less than it is", func(s *story) { s.told = func(r *Request) { r.Can = "Can look." } }, []string{`tells what they can do as "Can look.", and the plant file says "Can `}},
		{"told as harmless", func(s *story) { s.told = func(r *Request) { r.Worst = "Worst case: nothing." } }, []string{"tells the worst case as"}},
		{"told as held by Penstock", func(s *story) { s.told = func(r *Request) { r.Stopper = "Penstock stops everything else." } }, []string{"tells who stops it as"}},
		{"told as spoken to in other SSH than the plant file says", func(s *story) { s.told = func(r *Request) { r.Weak = "filler-plc is old." } }, []string{"tells old SSH as"}},
		{"told as urgent", func(s *story) { s.told = func(r *Request) { r.Priority = "P1" } }, []string{`tells priority as "P1", and the plant file says "P4"`}},
		{"urgent because the line stands", func(s *story) { s.request.Happening = policy.NowStopped }, nil},
		{"opens by itself, and the rules say the shift", func(s *story) { s.request.Open = "auto" }, []string{"request says that auto", "window says that auto"}},
		{"a quorum of an older plant file", func(s *story) {
			s.plant, _ = testPlant(new(testing.T), strings.Replace(plantText, "plan: [owner, ot-security], ", "plan: [owner], ", 1))
			s.drop(1)
		}, []string{"not the one that the request names"}},
		{"a window that ends when it begins", func(s *story) { s.claim = func(w *WindowClaim) { w.To = w.From } }, []string{"ends before it begins"}},
		{"a window that starts with less", func(s *story) { s.claim = func(w *WindowClaim) { w.Starts = []string{"look"} } }, []string{`starts with ["look"]`}},
		{"a window that somebody watches", func(s *story) { s.claim = func(w *WindowClaim) { w.Escort = true } }, []string{"differ in who watches"}},
		{"a window from another network", func(s *story) { s.claim = func(w *WindowClaim) { w.Network = "192.0.2.1/32" } }, []string{"whence they may come"}},
		{"a window for a laptop", func(s *story) { s.claim = func(w *WindowClaim) { w.Laptop = "07" } }, []string{`for the laptop "07"`}},
		{"a window that waives a calendar", func(s *story) { s.claim = func(w *WindowClaim) { w.Waives = []string{"frost"} } }, []string{`waives ["frost"]`}},
		{"a window that is an exception", func(s *story) { s.claim = func(w *WindowClaim) { w.Exception = true } }, []string{"is an exception: true"}},
		{"a window for a service jack", func(s *story) { s.claim = func(w *WindowClaim) { w.Jack = "a3" } }, []string{`for the service jack "a3"`}},
		{"a window that tries the way", func(s *story) { s.claim = func(w *WindowClaim) { w.Probe = true } }, []string{"tries the way: true"}},
		{"a window for a machine", func(s *story) { s.claim = func(w *WindowClaim) { w.Machine.Frame = "monitor" } }, []string{"differ in what holds the machine"}},
		{"an answer as late as the window's end", func(s *story) {
			s.request.From = night.Add(-2 * time.Hour)
			s.claim = func(w *WindowClaim) { w.To = s.answers[1].At }
		}, []string{"the answer of ines is as late as the window's end"}},
		{"rows of a list, taken in an answer to a request", func(s *story) { s.answers[1].Rows = []string{"R-1"} }, []string{"takes rows of a list", "ot-security missing"}},
		{"an envelope's yes to what was planned", func(s *story) {
			s.answers[1].Person, s.keys[1].Person = EnvelopeSecurity, EnvelopeSecurity
		}, []string{"envelope-2 counts in an emergency alone", "ot-security missing"}},
		{"an answer before the begin of time", func(s *story) { s.answers[1].At = time.Time{} }, []string{"at: is missing", "ot-security missing"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := newStory(t)
			row.do(s)
			wantFindings(t, s.check(t), row.want)
		})
	}
}

func step(at time.Time) string { return strconv.FormatInt(at.Unix()/30, 10) }

func (s *story) drop(i int) {
	s.answers, s.given = slices.Delete(s.answers, i, i+1), slices.Delete(s.given, i, i+1)
}

func wantFindings(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d findings, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("finding %d is %q, want %q in it", i, got[i], want[i])
		}
	}
}

// Each human meets one need, and no human is wasted on a need that another could meet.
func TestMissing(t *testing.T) {
	for _, row := range []struct {
		story  string
		needs  string // role×count
		voices map[string]string
		want   string
	}{
		{"all there", "owner×1 sec×2", map[string]string{"a": "owner", "b": "sec", "c": "sec"}, ""},
		{"the one with both roles makes room", "owner×1 sec×1", map[string]string{"a": "owner sec", "b": "owner"}, ""},
		{"and along a chain", "one×1 two×1 three×1", map[string]string{"a": "one two", "b": "two three", "c": "one"}, ""},
		{"three roles, two people", "one×1 two×1 three×1", map[string]string{"a": "one two three", "b": "one two three"}, "three×1"},
		{"two of three", "sec×3", map[string]string{"a": "sec", "b": "sec"}, "sec×1"},
		{"a need beyond all people", "sec×40", map[string]string{"a": "sec"}, "sec×39"},
		{"nobody", "owner×1", nil, "owner×1"},
	} {
		t.Run(row.story, func(t *testing.T) {
			var needs []policy.Need
			for _, f := range strings.Fields(row.needs) {
				role, count, _ := strings.Cut(f, "×")
				n, _ := strconv.Atoi(count)
				needs = append(needs, policy.Need{Role: policy.Role(role), Count: n})
			}
			voices := map[string][]string{}
			for p, roles := range row.voices {
				voices[p] = strings.Fields(roles)
			}
			var got []string
			for _, n := range missing(needs, voices) {
				got = append(got, fmt.Sprintf("%s×%d", n.Role, n.Count))
			}
			if strings.Join(got, " ") != row.want {
				t.Errorf("missing %q, want %q", got, row.want)
			}
		})
	}
}

// missing agrees with trying every assignment of people to places.
func TestMissingIsLargestMatching(t *testing.T) {
	roles := []string{"p", "q", "r"}
	rapid.Check(t, func(t *rapid.T) {
		var needs []policy.Need
		for _, r := range roles {
			if n := rapid.IntRange(0, 2).Draw(t, r); n > 0 {
				needs = append(needs, policy.Need{Role: policy.Role(r), Count: n})
			}
		}
		voices := map[string][]string{}
		for i := range rapid.IntRange(0, 5).Draw(t, "people") {
			voices[string(rune('a'+i))] = rapid.SliceOfNDistinct(rapid.SampledFrom(roles), 0, 3, rapid.ID).Draw(t, "roles")
		}
		var places []string
		for _, n := range needs {
			for range n.Count {
				places = append(places, string(n.Role))
			}
		}
		open := 0
		for _, n := range missing(needs, voices) {
			open += n.Count
		}
		if want := len(places) - most(places, voices, map[string]bool{}); open != want {
			t.Fatalf("%d places open, want %d: %v %v", open, want, needs, voices)
		}
	})
}

func most(places []string, voices map[string][]string, used map[string]bool) int {
	if len(places) == 0 {
		return 0
	}
	best := most(places[1:], voices, used)
	for p, roles := range voices {
		if !used[p] && slices.Contains(roles, places[0]) {
			used[p] = true
			best = max(best, 1+most(places[1:], voices, used))
			delete(used, p)
		}
	}
	return best
}

// Whatever the limits: what Narrow makes passes Check, lies in every limit and
// in the request, and any widening of it is found.
func TestNarrowIsTheWidest(t *testing.T) {
	plant, hash := testPlant(t, plantText)
	all := []Target{capper, maint, {"filler-plc", "ssh", "viewer"}}
	words := []string{"set", "load"}
	rapid.Check(t, func(rt *rapid.T) {
		s := newStory(t)
		s.plant, s.request.Plant = plant, hash
		s.request.Assets = some(rt, all, "assets")
		Tell(plant, &s.request)
		s.request.Minutes = rapid.IntRange(1, 240).Draw(rt, "minutes")
		for i := range s.answers {
			l := &s.answers[i].Limits
			if rapid.Bool().Draw(rt, "limits rights") {
				r, _ := policy.ParseRights(append([]string{"look"}, some(rt, words, "rights")...))
				l.Rights = r.Words()
			}
			if rapid.Bool().Draw(rt, "limits assets") {
				l.Assets = some(rt, all, "limited assets")
			}
			l.Minutes = rapid.IntRange(0, 300).Draw(rt, "limited minutes")
			if rapid.Bool().Draw(rt, "limits end") {
				l.Until = night.Add(time.Duration(rapid.IntRange(-10, 700).Draw(rt, "until")) * time.Minute)
			}
			s.answers[i].Request = audit.HashOf(canonical(t, s.request))
		}
		w, err := Narrow(s.request, s.answers)
		if err != nil {
			if f := s.check(t); len(f) == 0 {
				rt.Fatalf("Narrow says %v, and Check says nothing", err)
			}
			return
		}
		if f := s.check(t); len(f) > 0 {
			rt.Fatalf("Check of what Narrow made: %q", f)
		}
		for _, a := range s.answers {
			inside(rt, w, a.Limits, s.request)
		}
		widen := rapid.SampledFrom([]func(*WindowClaim){
			func(w *WindowClaim) { w.Minutes++ },
			func(w *WindowClaim) { w.To = w.To.Add(time.Second) },
			func(w *WindowClaim) { w.From = w.From.Add(-time.Second) },
			func(w *WindowClaim) { w.Assets = append(w.Assets, Target{"filler-plc", "ssh", "root"}) },
			func(w *WindowClaim) { w.Rights = append(w.Rights, "device") },
			func(w *WindowClaim) { w.People = append(w.People, "bob") },
		}).Draw(rt, "widen")
		s.claim = widen
		if f := s.check(t); len(f) == 0 {
			rt.Fatalf("a wider window passes")
		}
	})
}

func some[T any](t *rapid.T, from []T, label string) []T {
	picks := rapid.SliceOfNDistinct(rapid.IntRange(0, len(from)-1), 1, len(from), rapid.ID).Draw(t, label)
	slices.Sort(picks)
	var out []T
	for _, i := range picks {
		out = append(out, from[i])
	}
	return out
}

func inside(t *rapid.T, w WindowClaim, l Limits, r Request) {
	ok := within(w.Assets, r.Assets) && within(w.Rights, r.Rights) && w.Minutes <= r.Minutes && !w.To.After(r.To) && !w.From.Before(r.From) &&
		(l.Assets == nil || within(w.Assets, l.Assets)) && (l.Rights == nil || within(w.Rights, l.Rights)) &&
		(l.Minutes == 0 || w.Minutes <= l.Minutes) && (l.Until.IsZero() || !w.To.After(l.Until)) && len(w.Assets) > 0 && w.Minutes > 0
	if !ok {
		t.Fatalf("%+v is not inside %+v and the request", w, l)
	}
}

func TestCheckExtension(t *testing.T) {
	opened := night.Add(time.Hour)
	for _, row := range []struct {
		story string
		do    func(s *story, a *Answer, g *Given)
		want  []string
	}{
		{"an hour more, by the shift", func(*story, *Answer, *Given) {}, nil},
		{"whoever asked may be the opener", func(s *story, _ *Answer, _ *Given) { s.request.By = "mia" }, nil},
		{"past the span", func(s *story, a *Answer, _ *Given) { a.Until = s.request.To.Add(time.Minute) }, []string{"after the span's", "after the window's limit", "longest"}},
		{"past the longest", func(_ *story, a *Answer, _ *Given) { a.Until = opened.Add(4*time.Hour + time.Second) }, []string{"longest"}},
		{"past an answer's limit", func(s *story, a *Answer, _ *Given) { s.answers[0].Limits.Until = opened.Add(time.Hour) }, []string{"after the window's limit", "limit of olaf"}},
		{"by somebody who may not open", func(_ *story, _ *Answer, g *Given) { g.Roles = []string{"ot-security"} }, []string{"no role that opens"}},
		{"by a worker", func(s *story, _ *Answer, _ *Given) { s.request.People = []string{"ann", "mia"} }, []string{"works in the window"}},
		{"by the firm", func(_ *story, a *Answer, g *Given) { a.Firm, g.Firm, g.Plant = "krall", "krall", false }, []string{"not the plant", "whose people"}},
		{"of another window", func(_ *story, a *Answer, _ *Given) { a.Window = "W-2" }, []string{"W-2 and not W-1"}},
		{"of another revision", func(_ *story, a *Answer, _ *Given) { a.Request = audit.HashOf([]byte("x")) }, []string{"another request"}},
		{"an answer's nonce again", func(s *story, a *Answer, _ *Given) { a.Nonce = s.answers[0].Nonce }, []string{"nonce is that of"}},
		{"a yes is no extension", func(_ *story, a *Answer, _ *Given) { a.Says, a.Window, a.Until = Yes, "", time.Time{} }, []string{"and not extend", "extends  and not", "before the window was opened"}},
		{"without a code", func(_ *story, a *Answer, _ *Given) { a.Proof = Proof{} }, []string{"of no kind"}},
		{"before the opening", func(_ *story, a *Answer, g *Given) {
			a.At, g.Wall = opened.Add(-time.Hour), opened.Add(-time.Hour)
			a.Proof.Data = step(a.At)
		}, []string{"before the window was opened"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := newStory(t)
			a := Answer{V: 1, Person: "mia", Firm: "fjord", Role: "shift", Says: Extend, Window: "W-1", Until: opened.Add(3 * time.Hour),
				Nonce: bytes32(99), At: opened.Add(time.Hour), DecideBy: s.request.To, Proof: Proof{Kind: ProofTOTP, Data: step(opened.Add(time.Hour))}}
			g := Given{Leaf: audit.Place{Node: "a", Index: 200}, Wall: a.At, Firm: "fjord", Roles: []string{"shift"}, Plant: true}
			row.do(s, &a, &g)
			s.keys = append(s.keys, Key{Person: "mia", Kind: ProofTOTP, Since: audit.Place{Node: "a", Index: 9}})
			s.check(t) // writes the bodies
			text := canonical(t, s.request)
			if a.Request.IsZero() {
				a.Request = audit.HashOf(text)
			}
			g.Body = canonical(t, a)
			w, err := Narrow(s.request, s.answers)
			if err != nil {
				t.Fatal(err)
			}
			w.Window = "W-1"
			wantFindings(t, CheckExtension(s.plant, text, s.given, g, s.keys, w, opened), row.want)
		})
	}
}

// A grace is what the rules give, and never more.
func TestCheckGrace(t *testing.T) {
	s := newStory(t)
	text := canonical(t, s.request)
	w, err := Narrow(s.request, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := night.Add(time.Hour)
	wantFindings(t, CheckGrace(s.plant, text, w, night, old, old), []string{"no rule gives a grace"})
	wantFindings(t, CheckGrace(s.plant, text, w, night, old, old.Add(time.Minute)), []string{"no rule gives a grace", "its grace moves the end to"})
}
