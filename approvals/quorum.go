package approvals

import (
	"context"
	"fmt"
	"slices"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// quorum is who must say yes to a request, by the plant file that it names.
func (d *Desk) quorum(ctx context.Context, doc evidence.Request) (policy.Quorum, error) {
	plant, err := d.plantOf(ctx, doc.Plant)
	if err != nil {
		return policy.Quorum{}, err
	}
	under, err := d.under(ctx, doc)
	if err != nil {
		return policy.Quorum{}, err
	}
	q, err := evidence.QuorumOf(plant, doc, under...)
	if err != nil {
		return q, fmt.Errorf("quorum of %s: %w", doc.Request, err)
	}
	return q, nil
}

// plantOf is the plant of a document; the one in force needs no reading.
func (d *Desk) plantOf(ctx context.Context, h audit.Hash) (*policy.Plant, error) {
	d.mu.Lock()
	p := d.plants[h]
	d.mu.Unlock()
	if p != nil {
		return p, nil
	}
	b, err := d.docs.Get(ctx, h)
	if err != nil {
		return nil, fmt.Errorf("read plant file %s: %w", h, err)
	}
	p, problems := policy.ParseBundle(b)
	if len(problems) > 0 || p == nil {
		return nil, fmt.Errorf("plant file %s does not read: %v", h, problems)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.plants) >= 16 {
		clear(d.plants)
	}
	d.plants[h] = p
	return p, nil
}

// yes lists the roles of everybody whose yes stands, a row each.
func (r *requestRow) yes() (people [][]policy.Role) {
	for _, a := range r.Answers {
		if a.Says == evidence.Yes {
			people = append(people, named[policy.Role](a.Roles))
		}
	}
	return people
}

// left is what is still needed when each human counts once over all needs, and
// counts where that helps most (a largest matching of people to needs).
func left(needs []policy.Need, people [][]policy.Role) []policy.Need {
	var places []policy.Need // one for each yes that is needed
	for _, n := range needs {
		for range n.Count {
			places = append(places, policy.Need{Role: n.Role, Count: 1, Rule: n.Rule})
		}
	}
	taken := make([]int, len(places)) // person + 1
	for person := range people {
		settleIn(person, people, places, taken, make([]bool, len(places)))
	}
	var open []policy.Need
	for i, place := range places {
		if taken[i] != 0 {
			continue
		}
		same := slices.IndexFunc(open, func(n policy.Need) bool { return n.Role == place.Role && n.Rule == place.Rule })
		if same >= 0 {
			open[same].Count++
		} else {
			open = append(open, place)
		}
	}
	return open
}

// settleIn finds the person a place, moving others where that makes room.
func settleIn(person int, people [][]policy.Role, places []policy.Need, taken []int, tried []bool) bool {
	for i, place := range places {
		if tried[i] || !slices.Contains(people[person], place.Role) {
			continue
		}
		tried[i] = true
		if taken[i] == 0 || settleIn(taken[i]-1, people, places, taken, tried) {
			taken[i] = person + 1
			return true
		}
	}
	return false
}

// places counts the yeses that needs ask for.
func places(needs []policy.Need) (n int) {
	for _, need := range needs {
		n += need.Count
	}
	return n
}
