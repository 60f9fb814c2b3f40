package federatedservice

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/federation-dns/federation/api/v1alpha1"
)

const (
	// rightsRetry is how often a member that lacks a right is asked again: whoever grants it looks at the condition.
	rightsRetry = 15 * time.Second
	// maxNamespaces is in how many namespaces rights are looked at, where they are not granted in all.
	maxNamespaces = 20
)

// rights are those of the second rights file in a member, as far as they are known. A member that has them is not asked
// again until a request is refused.
type rights struct {
	mu         sync.Mutex
	due, busy  bool
	known      bool
	missing    string // what is missing; "" if nothing is
	at         time.Time
	generation int64 // of the MemberCluster
}

// ask has them looked at again.
func (r *rights) ask() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due = true
}

// state returns what is missing, and whether that is known.
func (r *rights) state() (missing string, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missing, r.known
}

// look asks for them if that is due, and does not wait for the answer.
func (r *rights) look(m *writer, client *memberClient, o *v1alpha1.MemberCluster) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lacking := r.missing != "" || !r.known
	switch now := time.Now(); {
	case r.busy:
		return
	case r.due, r.generation != o.Generation, lacking && now.Sub(r.at) >= rightsRetry:
	default:
		return
	}
	r.due, r.busy, r.at, r.generation = false, true, time.Now(), o.Generation
	namespaces := slices.Clone(o.Spec.Namespaces)
	m.running.Go(func() {
		missing, err := missingRights(m.session.ctx, client, namespaces)
		r.mu.Lock()
		granted := err == nil && missing == "" && r.missing != ""
		r.busy = false
		if err == nil {
			r.missing, r.known = missing, true
		}
		r.mu.Unlock()
		if granted {
			m.again(func(_ key, t *task) bool { return t.failure.Lacks })
		}
	})
}

// missingRights says what is missing: in all namespaces, or in those that the member may serve.
func missingRights(ctx context.Context, client *memberClient, namespaces []string) (string, error) {
	missing, err := client.lacks(ctx, "")
	if err != nil || len(missing) == 0 {
		return "", err
	}
	where := ""
	if len(namespaces) > 0 {
		missing = nil
	}
	for _, ns := range namespaces[:min(len(namespaces), maxNamespaces)] {
		if missing, err = client.lacks(ctx, ns); err != nil {
			return "", err
		}
		if len(missing) > 0 {
			where = " in the namespace " + ns
			break
		}
	}
	if len(missing) == 0 {
		return "", nil
	}
	return fmt.Sprintf("the account of the kubeconfig may not %s services%s: "+
		"apply deploy/member-propagation-rbac.yaml in the member", strings.Join(missing, ", "), where), nil
}
