package last

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
)

func TestOrder(t *testing.T) {
	type item struct {
		Name federation.FQDN
		N    int
	}
	order := func(n *Names, items ...item) (first []item, groups [][]item) {
		return Order(n, items, func(i item) federation.FQDN { return i.Name })
	}
	t.Run("X5a nothing has failed", func(t *testing.T) {
		first, groups := order(&Names{}, item{"a.", 1}, item{"b.", 2}, item{"a.", 3})
		if diff := cmp.Diff([]item{{"a.", 1}, {"b.", 2}, {"a.", 3}}, first); diff != "" || len(groups) > 0 {
			t.Errorf("%s, groups %v", diff, groups)
		}
	})
	t.Run("X5a what has failed comes last, in groups", func(t *testing.T) {
		n := &Names{}
		n.Failed(0, "single.")
		n.Failed(2, "a.", "b.", "c.")
		first, groups := order(n, item{"single.", 1}, item{"a.", 2}, item{"x.", 3}, item{"b.", 4}, item{"a.", 5},
			item{"y.", 6})
		if diff := cmp.Diff([]item{{"x.", 3}, {"y.", 6}}, first); diff != "" {
			t.Errorf("first (-want +got):\n%s", diff)
		}
		want := [][]item{{{"a.", 2}, {"b.", 4}}, {{"a.", 5}}, {{"single.", 1}}}
		if diff := cmp.Diff(want, groups); diff != "" {
			t.Errorf("groups (-want +got):\n%s", diff)
		}
	})
	t.Run("X5a what was made is in front again", func(t *testing.T) {
		n := &Names{}
		n.Failed(1, "a.", "b.")
		n.Done("a.")
		first, groups := order(n, item{"a.", 1}, item{"b.", 2})
		if len(first) != 1 || len(groups) != 1 {
			t.Errorf("first %v, groups %v", first, groups)
		}
	})
	t.Run("X5a what is remembered is bounded", func(t *testing.T) {
		n := &Names{}
		for i := range 2*maxNames + 5 {
			n.Failed(1, federation.FQDN(fmt.Sprintf("s%d.", i)))
		}
		if got := len(n.groups); got > maxNames {
			t.Errorf("%d names", got)
		}
	})
}
