package federatedservice

import (
	"flag"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
}
