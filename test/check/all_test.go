package check

import (
	"fmt"
	"net"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
)

// testAll makes all checks of a system in which nothing is wrong but the upstream of the second member's CoreDNS, which
// is not asked for anything.
func testAll(t *testing.T, s *system) {
	t.Run("CK4 all is well", func(t *testing.T) {
		r := timed(t, s.options())
		if r.Failed+r.Warnings+r.Unknown > 0 || r.Passed < 14 {
			show(t, r)
		}
	})
	t.Run("CK5 ten members, of which one does not answer, take less than five seconds", func(t *testing.T) {
		silent, err := net.Listen("tcp", "127.0.0.1:0") // connections are made, and nobody reads
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		o := s.options()
		o.Syncer = changed{s.source(), func(f *admin.FederationStatus) {
			for i := range 8 { // the same clusters under other names
				f.Members = append(f.Members, admin.MemberStatus{Name: fmt.Sprintf("m%d", i)})
			}
		}}
		direct := o.Context
		o.Context = func(name string) (*rest.Config, error) {
			switch {
			case name == "m0":
				return &rest.Config{Host: "http://" + silent.Addr().String()}, nil
			case name[0] == 'm':
				return direct(s.first.Name)
			}
			return direct(name)
		}
		r := timed(t, o)
		for _, result := range r.Results {
			for _, f := range result.Findings {
				if f.Outcome != check.OK && f.Subject != "m0" || f.Outcome == check.OK && f.Subject == "m0" {
					t.Errorf("%s: %+v", result.ID, f)
				}
			}
		}
		if r.Unknown == 0 {
			show(t, r)
		}
	})
}

// timed makes all checks within the time that they may take.
func timed(t *testing.T, o check.Options) *check.Report {
	t.Helper()
	began := time.Now()
	r := check.Run(t.Context(), check.NewEnv(o), allChecks())
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	return r
}

func show(t *testing.T, r *check.Report) {
	t.Helper()
	for _, result := range r.Results {
		t.Logf("%s %s %+v", result.Outcome, result.ID, result.Findings)
	}
	t.Error(r.Summary())
}
