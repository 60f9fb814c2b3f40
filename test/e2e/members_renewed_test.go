package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/test/world"
)

// revisions is how many resource versions go by between backup and restore,
// more than there are in this test.
const revisions = 3000

// pass lets resource versions go by.
func pass(ctx context.Context, c *world.Member) error {
	config := c.Cluster.Config()
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	const writers = 8
	g, ctx := errgroup.WithContext(ctx)
	for i := range writers {
		g.Go(func() error {
			maps := client.CoreV1().ConfigMaps(world.Namespace)
			cm, err := maps.Create(ctx,
				&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pass-%d", i)}},
				metav1.CreateOptions{})
			for n := 0; err == nil && n < revisions/writers; n++ {
				cm.Data = map[string]string{"n": fmt.Sprint(n)}
				cm, err = maps.Update(ctx, cm, metav1.UpdateOptions{})
			}
			return err
		})
	}
	return g.Wait()
}

// testRestored takes a cluster back to what it was, with resource versions
// that the syncer has seen already. It must see what there is, and what
// happens from then on.
func testRestored(t *testing.T, m *members) {
	m.restart(t, "all")
	defer confirmAll(t, m.Play)() // two of three Services go within a minute, one of them behind the watches
	c := m.Member(asia)
	m.change(t, "backup", func(ctx context.Context) error { return serve(ctx, c, "old") })
	if err := c.Backup(); err != nil {
		t.Fatal(err)
	}
	m.change(t, "after-backup", func(ctx context.Context) error {
		if err := serve(ctx, c, "new"); err != nil {
			return err
		}
		for _, args := range [][]string{
			{"delete", "service", "old", "--namespace", world.Namespace},
			{"label", "service", world.Service, fedLabel + "-", "--namespace", world.Namespace},
		} {
			if _, err := c.Kubectl(ctx, "", args...); err != nil {
				return err
			}
		}
		return pass(ctx, c)
	})
	m.change(t, "backup", c.Restore)
	t.Run("what happens then is seen", func(t *testing.T) {
		start := time.Now()
		m.kubectl(t, "all", asia, "", "delete", "service", "old")
		t.Logf("%.1f s, with emptyGrace of %s", time.Since(start).Seconds(), world.EmptyGrace)
	})
	m.wantZone(t, "all")
}

// testReplaced puts another cluster at the address of one, which is good for
// the same credentials: only what is in it is different.
func testReplaced(t *testing.T, m *members) {
	c := m.Member(eastB)
	if err := c.UseAdminCertificate(); err != nil {
		t.Fatal(err)
	}
	eventually(t, m.Play, func(s *seen) error { return contains("log", s.log, "the kubeconfig has changed") })
	m.change(t, "without-east-b", c.Replace)
	m.change(t, "replaced", func(ctx context.Context) error {
		for _, name := range []string{"extra", world.Service} { // the addresses are given in this order
			if err := serve(ctx, c, name); err != nil {
				return err
			}
		}
		return c.Deploy(ctx)
	})
	m.wantZone(t, "replaced")
}
