package view

import (
	"cmp"
	"fmt"
	"slices"
)

// leaveOut leaves out documents of the reading under way until the rest is within the budget. It takes them from
// the apps that need more than their share: the newest documents first, and of those the largest. So older
// documents stay, and no small app loses a document to a large one.
func (b *Builder) leaveOut() {
	spent := map[string]int64{} // by app
	for _, k := range b.added {
		spent[k.app] += k.cost
	}
	share := b.Budget / int64(len(spent))
	var candidates []*known
	for _, k := range b.added {
		if spent[k.app] > share && k.canBeLeftOut() {
			candidates = append(candidates, k)
		}
	}
	slices.SortFunc(candidates, func(a, b *known) int {
		return cmp.Or(cmp.Compare(b.since, a.since), cmp.Compare(b.cost, a.cost), cmp.Compare(b.key, a.key))
	})
	for _, k := range candidates {
		if b.spent <= b.Budget {
			return
		}
		if spent[k.app] <= share {
			continue // this app is now within its share
		}
		small := k.withoutRows(b.Budget)
		spent[k.app] += small.cost - k.cost
		b.spent += small.cost - k.cost
		b.added[k.key] = small
	}
}

// canBeLeftOut reports whether leaving k out makes room.
func (k *known) canBeLeftOut() bool {
	return len(k.queues) > 0 || k.server != nil && k.hash != 0 || k.cost > 2*keyCost+4*maxText
}

// withoutRows returns k without its rows, with a problem that says why they are missing.
func (k *known) withoutRows(budget int64) *known {
	small := *k
	small.hash, small.problems, small.queues, small.server, small.verdicts = 0, nil, nil, nil, nil
	small.cost = newKnown(k.key).cost
	small.leftOut = fmt.Sprintf("it is left out: all that is reported takes more than the %d MiB that this server has for it, and the app more than its share. Report less, or give the aggregator more memory",
		budget>>20)
	small.problem(small.leftOut)
	return &small
}
