package cloudtest

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/test/fakecloud"
)

// WithTLS serves the API with a certificate that nobody trusts.
func WithTLS(t testing.TB, s *fakecloud.Server) *httptest.Server {
	secure := httptest.NewUnstartedServer(s)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	return secure
}

// Search is a configuration, and the zone that it means.
type Search struct {
	Name             string
	Domain           federation.FQDN
	Zone, Visibility string
	Want             string   // the zone's ID, "" if none is meant
	Words            []string // of the error then
	Requests         int      // to find out
}

// account has zones of all kinds.
func (v Service) account() []fakecloud.Zone {
	return []fakecloud.Zone{
		{ID: v.ZoneID("org"), Name: "example.org."},
		{ID: v.ZoneID("com"), Name: "example.com."},
		{ID: v.ZoneID("com-intern"), Name: "example.com.", Private: true},
		{ID: v.ZoneID("dns"), Name: "dns.example.com."},
		{ID: v.ZoneID("intern"), Name: "intern.example.com.", Private: true},
		{ID: v.ZoneID("two"), Name: "two.example.org.", Private: true},
		{ID: v.ZoneID("two-more"), Name: "two.example.org.", Private: true},
		{ID: v.ZoneID("long"), Name: "xdns.example.com."},
		{ID: v.ZoneID("onward"), Name: "onward.example.org.", Private: true, Forwards: true},
	}
}

// FindsZone tests the search for the zone. field is the configuration's that names a zone.
func (v Service) FindsZone(t *testing.T, field string, more ...Search) {
	org, com, intern, dns := v.ZoneID("org"), v.ZoneID("com"), v.ZoneID("com-intern"), v.ZoneID("dns")
	for _, tt := range append([]Search{
		{"by id", "example.com.", com, "", com, nil, 1},
		{"by id, of a parent", "a.b.example.com.", com, "", com, nil, 1},
		{"by domain", "example.org.", "", "", org, nil, 1},
		{"by domain, of a parent", "a.b.example.org.", "", "", org, nil, 3},
		{"the longest name", "fed.dns.example.com.", "", "", dns, nil, 2},
		{"a name with the same suffix", "ydns.example.com.", "", "public", com, nil, 2},
		{"public of both", "example.com.", "", "public", com, nil, 1},
		{"private of both", "fed.example.com.", "", "private", intern, nil, 2},
		{"public above private", "intern.example.com.", "", "public", com, nil, 2},
		{"both, and none is said", "example.com.", "", "", "",
			[]string{`"example.com."`, com + " (public)", intern + " (private)", "visibility"}, 1},
		{"two private ones", "two.example.org.", "", "private", "",
			[]string{v.ZoneID("two") + " (private)", v.ZoneID("two-more") + " (private)", field}, 1},
		{"none is private", "fed.dns.example.org.", "", "private", "", []string{org + " (public)", "check visibility"},
			4},
		{"none at all", "example.net.", "", "", "", []string{`"example.net."`, "create it", "check "}, 2},
		{"no such id", "example.com.", v.ZoneID("none"), "", "",
			[]string{v.NoZone.Code, v.ZoneID("none"), "check " + field}, 1},
		{"an id of another domain", "example.org.", com, "", "",
			[]string{com, `"example.com."`, `"example.org."`, "check " + field + " and domain"}, 1},
		{"an id of the wrong visibility", "example.com.", com, "private", "", []string{com, "not private"}, 1},
	}, more...) {
		t.Run("X7 "+tt.Name, func(t *testing.T) {
			s := v.Start(t, v.account()...)
			p := v.Connect(t, s, func(o *Options) {
				o.Domain, o.Zone, o.Visibility = tt.Domain, tt.Zone, tt.Visibility
			})
			n := "nginx.ns.fed.svc." + tt.Domain
			c := plan.Change{Name: n, To: []federation.RRset{Set(n, "A", "192.0.2.1")}}
			err := p.Apply(t.Context(), nil, []plan.Change{c})[0]
			if tt.Want == "" {
				Says(t, err, tt.Words...)
				Is(t, err, provider.ErrRefused)
			} else if err != nil || len(s.RRsets(tt.Want)) != 3 {
				t.Fatalf("%v, and zone %s has %v", err, tt.Want, s.RRsets(tt.Want))
			} else {
				Must(t, p, nil, Undo([]plan.Change{c})...)
			}
			if got := len(s.Requests()) - s.Count(v.Change); got != tt.Requests {
				t.Errorf("%d requests to find the zone, want %d: %v", got, tt.Requests, Actions(s))
			}
		})
	}
	t.Run("X7 the zone is looked for again after it was gone", func(t *testing.T) {
		s := v.Start(t)
		p := v.Connect(t, s, func(o *Options) { o.Zone = "" })
		changes := Create(2)
		Must(t, p, nil, changes[0])
		s.SetFaults(v.changesMeet(v.NoZone))
		Is(t, p.Apply(t.Context(), nil, changes[1:])[0], provider.ErrRefused)
		s.Reset()
		Must(t, p, nil, changes[1])
		if diff := cmp.Diff([]string{v.FindZones, v.Change}, Actions(s)); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
	})
	t.Run("X7 more zones than one answer has", func(t *testing.T) {
		var many []fakecloud.Zone
		for i := range 120 {
			id := v.ZoneID(fmt.Sprintf("many%03d", i))
			many = append(many, fakecloud.Zone{ID: id, Name: "example.com.", Private: i != 110})
		}
		s := v.Start(t, many...)
		p := v.Connect(t, s, func(o *Options) { o.Zone, o.Visibility = "", "public" })
		Must(t, p, nil, Create(1)...)
		if got := len(s.RRsets(many[110].ID)); got != 4 {
			t.Errorf("the zone has %d RRsets", got)
		}
	})
}
