package membercluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/test/proc"
)

// TestRotation rotates the Secret of a member again and again, while the member is probed and its Service changes.
func TestRotation(t *testing.T) {
	t.Parallel()
	const rotations = 50
	s := newSystem(t)
	s.installCRD()
	m := startMembers(t)
	m.add("a")
	m.add("b")
	s.apply(object("a", m.kubeconfig("a", "token-1")), object("b", m.kubeconfig("b", "token-1")))
	r := s.run("syncer", "[]")
	s.becomes("a", "True Ready", "")
	s.becomes("b", "True Ready", "")
	secrets := kubernetes.NewForConfigOrDie(s.host.Config()).CoreV1().Secrets(namespace)
	contact := r.watchContact()
	t.Run("K2 J3 a Secret rotated under load loses no contact and no change", func(t *testing.T) {
		s := s.in(t)
		var slowest time.Duration
		for i := 2; i < rotations+2; i++ {
			token, before := fmt.Sprintf("token-%d", i), fmt.Sprintf("token-%d", i-1)
			m.change("a", func(api *memberAPI) { api.tokens[token] = true })
			patch := fmt.Appendf(nil, `{"stringData": {"kubeconfig": %q}}`, m.kubeconfig("a", token))
			began := time.Now()
			secret, err := secrets.Patch(t.Context(), "member-a", types.MergePatchType, patch, metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			address := fmt.Sprintf("198.51.100.%d", i)
			m.move("a", address)
			proc.Eventually(t, 20*time.Second, func() error { return r.shows("a", address) })
			// The syncer says when the token from before is needed no more.
			proc.Eventually(t, 20*time.Second, func() error {
				if used, _ := s.inUse("a"); used != secret.ResourceVersion {
					return fmt.Errorf("version %q of the Secret is in use, not yet %s", used, secret.ResourceVersion)
				}
				return nil
			})
			slowest = max(slowest, time.Since(began))
			m.change("a", func(api *memberAPI) { delete(api.tokens, before) })
		}
		t.Logf("%d rotations, each in use after %s at most", rotations, slowest)
		m.change("a", func(api *memberAPI) {
			if api.refused > 0 {
				t.Errorf("%d requests with a token of before", api.refused)
			}
		})
		reads, err := contact()
		if err != nil || reads < 10*rotations {
			t.Errorf("the status was read %d times: %v", reads, err)
		}
	})
}

// shows returns an error unless the syncer sees that address of a member's Service.
func (r *running) shows(member, address string) error {
	status, err := admin.FetchStatus(r.Context(), filepath.Join(r.dir, "admin.sock"), true)
	if err != nil {
		return err
	}
	for _, f := range status.Federations {
		for _, service := range f.Services {
			for _, shard := range service.Shards {
				if shard.Member == member && slices.Equal(shard.Addresses, []string{address}) && shard.Healthy {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("%s is not yet at %s", member, address)
}

// watchContact reads the status without pause until stop is called, which returns how often, and what was wrong with a
// member.
func (r *running) watchContact() (stop func() (reads int, err error)) {
	ctx, cancel := context.WithCancel(r.Context())
	var reading sync.WaitGroup
	var errs error
	n := 0
	reading.Go(func() {
		for ctx.Err() == nil {
			status, err := admin.FetchStatus(ctx, filepath.Join(r.dir, "admin.sock"), false)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				errs = errors.Join(errs, err)
				return
			}
			n++
			for _, f := range status.Federations {
				for _, m := range f.Members {
					if m.Status != "present" || !m.Reachable || m.Error != "" {
						errs = errors.Join(errs, fmt.Errorf("%s: %+v", m.Name, m))
						return
					}
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() (int, error) {
		cancel()
		reading.Wait()
		return n, errs
	}
}
