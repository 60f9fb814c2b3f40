package hostcheck

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation/check"
)

// renewedWithin is how old the last renewal of the Lease may be: replicas renew it every few seconds, and take it over
// after 15.
const renewedWithin = 20 * time.Second

func syncerRunning(ctx context.Context, e *check.Env) []check.Finding {
	if e.Hostless() {
		return check.One(socketAnswers(ctx, e))
	}
	c, err := e.HostClient()
	if err != nil {
		return check.One(check.Untested("", err))
	}
	lease, err := c.CoordinationV1().Leases(e.Namespace).Get(ctx, e.Lease, metav1.GetOptions{})
	var writes check.Finding
	switch {
	case apierrors.IsNotFound(err):
		writes = check.Bad("", "there is no Lease %s/%s: no syncer has run there", e.Namespace, e.Lease).With(
			"choose its cluster by --context, or its Lease by --syncer-namespace and --syncer-lease; if its log says "+
				"that it may not make one, apply deploy/host-rbac.yaml, which has\n$ %s",
			check.RuleLine("coordination.k8s.io", "leases", "create"))
	case err != nil:
		writes = check.Untested("", err)
	default:
		writes = held(lease, now(ctx, e, c))
	}
	findings := check.One(writes)
	deployment, err := deployment(ctx, e, c)
	if err != nil {
		return append(findings, check.Untested("replicas", err))
	}
	if deployment == nil {
		return findings
	}
	wants := int32(1)
	if deployment.Spec.Replicas != nil {
		wants = *deployment.Spec.Replicas
	}
	switch has := deployment.Status.AvailableReplicas; {
	case has == 0:
		return append(findings, check.Bad("replicas", "none of %d is available", wants))
	case has < wants:
		return append(findings, check.Doubt("replicas", "%d of %d are available", has, wants))
	case writes.Outcome == check.OK:
		return check.One(check.Good("", "%d of %d replicas, %s", has, wants, writes.Text))
	default:
		return append(findings, check.Good("replicas", "%d of %d are available", has, wants))
	}
}

// socketAnswers is the finding of a syncer outside a cluster.
func socketAnswers(ctx context.Context, e *check.Env) check.Finding {
	_, err := e.Status(ctx)
	switch {
	case err == nil:
		return check.Good("", "it answers")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, context.DeadlineExceeded):
		return check.Untested("", err)
	}
	return check.Bad("", "%s", check.Reason(err)).With("start it, or name its socket: --socket PATH\n" +
		"$ systemctl status federation-syncer")
}

// held is whether a replica writes: the holder of the Lease.
func held(lease *coordinationv1.Lease, now time.Time) check.Finding {
	s := lease.Spec
	if s.HolderIdentity == nil || *s.HolderIdentity == "" || s.RenewTime == nil {
		return check.Bad("", "no replica holds the Lease %s/%s: nobody writes", lease.Namespace, lease.Name)
	}
	pod := *s.HolderIdentity
	if i := strings.LastIndexByte(pod, '_'); i >= 0 { // the rest is random
		pod = pod[:i]
	}
	if age := now.Sub(s.RenewTime.Time).Round(time.Second); age >= renewedWithin {
		return check.Bad("", "nobody writes: the last holder of the Lease %s/%s, %s, has not renewed it for %s",
			lease.Namespace, lease.Name, pod, age)
	}
	return check.Good("", "%s writes", pod)
}

// now is the time by the clock of the host, as the replicas' clocks are compared with it; ours may be wrong.
func now(ctx context.Context, e *check.Env, c *check.Client) time.Time {
	if offset, err := c.ClockOffset(ctx); err == nil {
		return e.Now().Add(offset)
	}
	return e.Now()
}

// deployment returns the Deployment of the syncer, which has the name of the Lease; nil if there is none.
func deployment(ctx context.Context, e *check.Env, c *check.Client) (*appsv1.Deployment, error) {
	d, err := c.AppsV1().Deployments(e.Namespace).Get(ctx, e.Lease, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return d, err
}
