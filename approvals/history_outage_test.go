package approvals

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// Lists are written, signed, changed and opened, and the plant becomes an island
// and none again, by whom it may be, while disks fail: every history verifies.
func TestOutageHistories(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, nil)
		m := machine{w}
		m.outage(t)
		t.Repeat(map[string]func(*rapid.T){
			"outage": m.outage, "list": m.list, "list2": m.list, "list3": m.list, "crew": m.crew, "crew2": m.crew,
			"island": m.island, "word": m.word, "word2": m.word, "word3": m.word,
			"revise": m.revise, "yes": m.yes, "window": m.window, "time": m.time, "crash": m.crash,
			"withdraw": func(t *rapid.T) { m.try(t, w.desk.Withdraw(w.ctx, m.who(t), m.request(t), "")) },
			"":         func(t *rapid.T) { w.truth(t) },
		})
		w.restart()
		w.settle()
		w.judge(t)
		reached(seen, w)
	})
	reachedAll(t, seen, "row taken", "lifted by two", "agreed", "opened", "revised", "withdrawn")
	t.Log(seen)
}

func (m machine) outage(t *rapid.T) {
	w := m.w
	a := OutageAsk{Name: "Overhaul", From: w.now(), To: w.now().Add(10 * time.Hour)}
	for i := range rapid.IntRange(1, 3).Draw(t, "rows") {
		row := RowAsk{Ask: w.ask(on("historian", "reader")), Crew: "A"}
		if rapid.Bool().Draw(t, "line") {
			row.Ask = w.ask(two)
		}
		if i > 0 && rapid.Bool().Draw(t, "in order") {
			row.After = []int{i - 1}
		}
		a.Rows = append(a.Rows, row)
	}
	_, err := w.desk.ProposeOutage(w.ctx, m.who(t), a)
	m.try(t, err)
}

func (m machine) list(t *rapid.T) {
	id := m.pick(t, "outage/")
	by := m.who(t)
	if rapid.IntRange(0, 4).Draw(t, "whoever") > 0 {
		by = m.w.as(rapid.SampledFrom([]policy.PersonID{"sara", "olaf", "sven"}).Draw(t, "owner"))
	}
	o, err := m.w.desk.Outage(m.w.ctx, by, id)
	if err != nil {
		m.try(t, err)
		return
	}
	var looked []policy.RequestID
	if rapid.Bool().Draw(t, "looks") {
		for _, r := range o.Rows {
			looked = append(looked, policy.RequestID(r.Request))
		}
	}
	_, err = m.w.desk.AnswerList(m.w.ctx, by, id, o.Hash, ListReply{Looked: looked})
	m.try(t, err)
}

func (m machine) crew(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "withdraw") == 0 {
		m.try(t, m.w.desk.WithdrawOutage(m.w.ctx, m.who(t), m.pick(t, "outage/"), ""))
		return
	}
	_, err := m.w.desk.OpenCrew(m.w.ctx, m.who(t), m.pick(t, "outage/"), "A")
	m.try(t, err)
}

func (m machine) island(t *rapid.T) {
	_, err := m.w.desk.Island(m.w.ctx, m.who(t), rapid.SampledFrom([]policy.ZoneName{"", "line-1", "ops"}).Draw(t, "zone"), "x")
	m.try(t, err)
}

func (m machine) word(t *rapid.T) {
	zone := policy.ZoneName("")
	if rapid.IntRange(0, 5).Draw(t, "of one") == 0 {
		zone = "line-1"
	}
	_, err := m.w.desk.LiftIsland(m.w.ctx, m.w.as(rapid.SampledFrom([]policy.PersonID{"mia", "sara", "tom", "ann"}).Draw(t, "who")), m.pick(t, "block/"), zone, nil)
	m.try(t, err)
}

// taken says whether an answer is one to a list.
func (w *world) taken(b audit.AnswerGiven) bool {
	body, err := w.docs.Get(w.ctx, b.Document)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	a, err := evidence.ParseAnswer(body)
	if err != nil {
		w.t.Fatalf("%v", fmt.Errorf("answer: %w", err))
	}
	return len(a.Rows) > 0 && strings.HasPrefix(a.Rows[0], "R-")
}
