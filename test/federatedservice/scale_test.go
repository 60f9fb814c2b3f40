package federatedservice

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/test/federatedservice/stage"
	"github.com/federation-dns/federation/test/proc"
)

var (
	size = flag.Int("services", 100, "how many FederatedServices TestScale has")
	rest = flag.Duration("rest", 20*time.Second, "how long TestScale counts requests at rest")
)

// TestScale creates many FederatedServices at once, and counts the requests until all is in place, and afterwards.
// docs/performance.md has its figures.
func TestScale(t *testing.T) {
	s := stage.New(t, stage.Options{Root: root, Members: []string{"m1", "m2", "m3", "m4"}, Wires: true})
	s.Namespaces()
	s.Start()
	s.JoinAll()
	t.Run("G11 all are in place", func(t *testing.T) {
		s := s.In(t)
		took(s)
		cpu(s)
		began := time.Now()
		var creating sync.WaitGroup
		const creators = 4
		for c := range creators {
			creating.Go(func() {
				for i := c; i < *size; i += creators {
					s.Create(stage.Nginx(fmt.Sprintf("n%d", i)))
				}
			})
		}
		creating.Wait()
		created := time.Since(began)
		proc.Eventually(s, 10*time.Minute, func() error {
			for _, m := range s.Members {
				if n := inPlace(s, m); n < *size {
					return fmt.Errorf("%s has %d", m.Name, n)
				}
			}
			return nil
		})
		t.Logf("%d FederatedServices were created within %.1f s, and in place in four members after %.1f s",
			*size, created.Seconds(), time.Since(began).Seconds())
		cpu(s)
	})
	t.Run("G11 then no request is sent for them", func(t *testing.T) {
		s := s.In(t)
		began, until := time.Now(), map[string]int{}
		proc.Eventually(s, 5*time.Minute, func() error { // load balancers get addresses, and statuses follow
			<-time.After(5 * time.Second)
			n := 0
			for what, count := range took(s) {
				until[what] += count
				n += count
			}
			if n > 0 {
				return fmt.Errorf("%d requests within 5 s", n)
			}
			return nil
		})
		t.Logf("at rest %.1f s later; until then %v", time.Since(began).Seconds()-5, until)
		<-time.After(*rest) // what is measured
		for what, n := range took(s) {
			t.Errorf("%d requests %s within %s", n, what, *rest)
		}
	})
}

// cpu logs how much CPU time the syncer and the API servers have used since they started.
func cpu(s *stage.Stage) {
	s.Helper()
	used, err := proc.ChildrenCPU()
	if err != nil {
		s.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		s.Logf("CPU time of %s: %.1f s", name, used[name].Seconds())
	}
}

// inPlace returns how many Services of ours a member has.
func inPlace(s *stage.Stage, m *stage.Member) (n int) {
	s.Helper()
	list, err := m.API.CoreV1().Services("shop").List(s.Context(), metav1.ListOptions{
		LabelSelector: propagate.LabelFederation,
	})
	if err != nil {
		s.Fatal(err)
	}
	for _, one := range list.Items {
		if one.Annotations[propagate.AnnotationCreatedBy] != "" {
			n++
		}
	}
	return n
}

// always are the requests that a syncer sends at rest, too: it keeps its Lease, asks whether members answer, begins
// watches anew, and asks whether it may keep mirrors in the members, which it may not here.
var always = []string{"GET leases", "PUT leases", "probe services", "WATCH ", "LIST configmaps"}

// took returns the requests since it was asked last, but for those that there are always.
func took(s *stage.Stage) map[string]int {
	all := map[string]int{}
	add := func(where string, counts map[string]int) {
		for what, n := range counts {
			if !slices.ContainsFunc(always, func(one string) bool { return strings.HasPrefix(what, one) }) {
				all[what+" "+where] += n
			}
		}
	}
	add("to the host", s.Wire.Take())
	for _, m := range s.Members {
		add("to the members", m.Wire.Take())
	}
	return all
}
