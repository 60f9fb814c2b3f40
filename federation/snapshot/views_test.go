package snapshot

import (
	"slices"
	"testing"

	"github.com/federation-dns/federation/federation"
)

func TestViews(t *testing.T) {
	t.Run("S1 the list has what was published last, in order", func(t *testing.T) {
		v := &Views{}
		name := func(s string) federation.ServiceName { return federation.ServiceName{Namespace: "shop", Name: s} }
		want := func(names ...string) {
			t.Helper()
			var got []string
			for _, s := range v.List() {
				if s != v.Service(s.Name) {
					t.Errorf("%s is an old view", s.Name)
				}
				got = append(got, s.Name.Name)
			}
			each := 0
			v.Each(func(*Service) { each++ })
			if !slices.Equal(got, names) || each != len(names) {
				t.Errorf("listed: %q, each: %d; want %q", got, each, names)
			}
		}
		want()
		v.SetService(&Service{Name: name("web")})
		v.SetService(&Service{Name: name("pay")})
		want("pay", "web")
		v.SetService(&Service{Name: name("web"), Records: []federation.RRset{{}}})
		want("pay", "web")
		if len(v.List()[1].Records) != 1 {
			t.Error("the change is not in the list")
		}
		v.RemoveService(name("pay"))
		want("web")
		v.RemoveService(name("none"))
		v.SetService(&Service{Name: name("pay")})
		want("pay", "web")
		if v.RemoveService(name("web")); v.Service(name("web")) != nil {
			t.Error("it is still there")
		}
	})
}
