package federatedservice

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/test/federatedservice/stage"
)

var size = flag.Int("services", 200, "how many FederatedServices TestScale has")

// TestScale creates many FederatedServices at once.
func TestScale(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{Root: root, Members: []string{"m1", "m2", "m3", "m4"}})
	s.Namespaces()
	s.Start()
	s.JoinAll()
	t.Run("G11 many are in place in time", func(t *testing.T) {
		s := s.In(t)
		began := time.Now()
		for i := range *size {
			s.Create(stage.Nginx(fmt.Sprintf("n%d", i)))
		}
		created := time.Since(began)
		s.Eventually(time.Minute, func() error {
			for _, m := range s.Members {
				list, err := m.API.CoreV1().Services("shop").List(t.Context(), metav1.ListOptions{
					LabelSelector: propagate.LabelFederation,
				})
				if err != nil {
					return err
				}
				n := 0
				for _, one := range list.Items {
					if one.Annotations[propagate.AnnotationCreatedBy] != "" {
						n++
					}
				}
				if n < *size {
					return fmt.Errorf("%s has %d", m.Name, n)
				}
			}
			return nil
		})
		t.Logf("%d created in %s, in place in four members after %s", *size, created, time.Since(began))
	})
	t.Run("G11 then no request is sent for them, and no status is written", func(t *testing.T) {
		s := s.In(t)
		const quiet = 20 * time.Second
		requests := func() map[string]float64 {
			all := map[string]float64{"host": count(s, s.HostAPI, "federatedservices", "APPLY", "PATCH", "GET")}
			for _, m := range s.Members {
				all[m.Name] = count(s, m.API, "services", "APPLY", "PATCH", "GET", "POST", "DELETE")
			}
			return all
		}
		var before map[string]float64
		s.Eventually(time.Minute, func() error { // levels are claimed, load balancers get addresses
			last := before
			if before = requests(); !maps.Equal(before, last) {
				<-time.After(5 * time.Second)
				return fmt.Errorf("requests so far: %v", before)
			}
			return nil
		})
		t.Logf("%v requests in all", before)
		<-time.After(quiet) // what is measured
		if after := requests(); !maps.Equal(before, after) {
			t.Errorf("%v requests, and before %s of rest %v", after, quiet, before)
		}
	})
}

// count returns how many requests for a resource an API server has had, by its own metrics.
func count(s *stage.Stage, api kubernetes.Interface, resource string, verbs ...string) (n float64) {
	s.Helper()
	text, err := api.CoreV1().RESTClient().Get().AbsPath("/metrics").Do(s.Context()).Raw()
	if err != nil {
		s.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "apiserver_request_total{") || !strings.Contains(line, `resource="`+resource+`"`) {
			continue
		}
		if !slices.ContainsFunc(verbs, func(verb string) bool { return strings.Contains(line, `verb="`+verb+`"`) }) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndex(line, " "):]), 64)
		if err != nil {
			s.Fatalf("%v in %s", err, line)
		}
		n += value
	}
	if n == 0 {
		s.Fatalf("no request for %s is counted", resource)
	}
	return n
}
