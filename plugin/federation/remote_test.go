package federation

import (
	"context"
	"errors"
	"testing"

	"github.com/coredns/coredns/plugin/test"

	"github.com/miekg/dns"
)

// fixedSource is a source that always says the same, and counts how often it is asked.
type fixedSource struct {
	err   error // nil: the address below
	asked int
}

func (s *fixedSource) resolve(_ context.Context, q *remoteQuestion) (levelAnswer, error) {
	s.asked++
	if s.err != nil {
		return levelAnswer{}, s.err
	}
	return q.closestLevel(func(name string) (*chain, error) {
		return &chain{answer: []dns.RR{test.A(name + " 60 IN A 203.0.113.50")}}, nil
	})
}

// TestSources: the sources are asked in turn, until one has an answer.
func TestSources(t *testing.T) {
	const name, zone = "dead.ns.myfed.svc.cluster.local.", "dead.ns.myfed.svc.zone1.example.com."
	late, refused := &sourceError{dns.ExtendedErrorCodeNoReachableAuthority, "late"},
		&sourceError{dns.ExtendedErrorCodeOther, "refused"}
	for _, tc := range []struct {
		rule   string
		errs   []error // of the sources
		asked  int
		answer string
		ede    uint16
	}{
		{"Q8a the first that has an answer gives it", []error{nil, late}, 1,
			"NOERROR; " + name + " CNAME " + zone + "; " + zone + " A 203.0.113.50", 0},
		{"Q8a one that knows nothing leaves it to the next", []error{errNotKnown, nil}, 2,
			"NOERROR; " + name + " CNAME " + zone + "; " + zone + " A 203.0.113.50", 0},
		{"Q8b so does one that fails", []error{late, nil}, 2,
			"NOERROR; " + name + " CNAME " + zone + "; " + zone + " A 203.0.113.50", 0},
		{"Q8b with no answer, the first failure is SERVFAIL", []error{errNotKnown, late, refused}, 3, "SERVFAIL",
			dns.ExtendedErrorCodeNoReachableAuthority},
		{"Q8b with nothing known, it is SERVFAIL", []error{errNotKnown}, 1, "SERVFAIL", dns.ExtendedErrorCodeOther},
		{"Q8b an error of any other kind is SERVFAIL", []error{errors.New("odd")}, 1, "SERVFAIL",
			dns.ExtendedErrorCodeOther},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f := newPlugin(t, newCluster(), nil, usualKubernetes, usualFederation)
			f.sources = nil
			var sources []*fixedSource
			for _, err := range tc.errs {
				s := &fixedSource{err: err}
				sources, f.sources = append(sources, s), append(f.sources, s)
			}
			r := new(dns.Msg).SetQuestion(name, dns.TypeA)
			r.SetEdns0(1232, false)
			m := exchange(t, f, r)
			if got := short(m); got != tc.answer {
				t.Errorf("got %s\nwant %s", got, tc.answer)
			}
			if tc.answer == "SERVFAIL" {
				if got := m.IsEdns0().Option[0].(*dns.EDNS0_EDE).InfoCode; got != tc.ede {
					t.Errorf("extended error %d, want %d", got, tc.ede)
				}
			}
			asked := 0
			for _, s := range sources {
				asked += s.asked
			}
			if asked != tc.asked {
				t.Errorf("%d sources were asked, want %d", asked, tc.asked)
			}
		})
	}
}
