package membercheck

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

func secret(ctx context.Context, e *check.Env) []check.Finding {
	return e.EachObject(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		_, err := m.SecretConfig(ctx)
		return check.One(secretOf(m, err))
	})
}

// secretOf is what is found of the Secret of a member; err is why there is no kubeconfig in it, or nil.
func secretOf(m *check.Member, err error) check.Finding {
	var refused *check.RefusedError
	ready, key := condition(m), m.Object.Spec.KubeconfigSecret
	switch {
	case errors.As(err, &refused), errors.Is(err, kubeconfig.ErrNoKubeconfig):
		return check.Bad(m.Name, "%v", err)
	case err != nil:
		return check.Untested(m.Name, err)
	case ready.Reason == v1alpha1.ReasonSecretMissing:
		return check.Bad(m.Name, "it is there, and the syncer does not see it: %s", ready.Message).With(
			"if it stays, apply deploy/host-rbac.yaml, which has\n$ %s", check.RuleLine("", "secrets", "list, watch"))
	}
	return check.Good(m.Name, "Secret %q, key %q", key.Name, key.Key)
}

// condition is the condition Ready of the member's object; a zero one if there is none.
func condition(m *check.Member) metav1.Condition {
	if m.Object != nil {
		if c := meta.FindStatusCondition(m.Object.Status.Conditions, v1alpha1.ConditionReady); c != nil {
			return *c
		}
	}
	return metav1.Condition{}
}

// The errors of what the syncer cannot tell.
var (
	errNotAsked   = errors.New("the syncer has not said anything of it yet (members-known)")
	errNoSecret   = errors.New("the syncer has no kubeconfig for it (member-secret)")
	errIsStarting = errors.New("the syncer has just begun with it")
)

func reachable(ctx context.Context, e *check.Env) []check.Finding {
	return e.EachMember(ctx, func(_ context.Context, m *check.Member) []check.Finding {
		if m.Object != nil {
			return byCondition(m, condition(m))
		}
		for _, s := range m.Seen {
			switch {
			case s.Error != "":
				return check.One(unreachable(m, s.Error))
			case !s.Reachable:
				return check.One(check.Untested(m.Name, errIsStarting))
			}
		}
		return check.One(check.Good(m.Name, "it answers the syncer"))
	})
}

// byCondition says what the condition of a MemberCluster means for the way to it.
func byCondition(m *check.Member, c metav1.Condition) []check.Finding {
	switch c.Reason {
	case v1alpha1.ReasonUnreachable, v1alpha1.ReasonCertificateInvalid, v1alpha1.ReasonUnauthorized:
		return check.One(unreachable(m, c.Message))
	case v1alpha1.ReasonSyncerCutOff:
		return check.One(check.Bad(m.Name, "no connection: %s", c.Message).With(
			"look at the network of the syncer, which most members were lost to at once"))
	case v1alpha1.ReasonSecretMissing, v1alpha1.ReasonKubeconfigRefused:
		return check.One(check.Untested(m.Name, errNoSecret))
	case v1alpha1.ReasonNameTaken:
		return nil // members-known says so
	case v1alpha1.ReasonPending, "":
		return check.One(check.Untested(m.Name, errNotAsked))
	case v1alpha1.ReasonStarting:
		return check.One(check.Untested(m.Name, errIsStarting))
	case v1alpha1.ReasonForbidden:
		return check.One(check.Good(m.Name, "it answers the syncer, with a refusal (member-rbac)"))
	}
	return check.One(check.Good(m.Name, "it answers the syncer"))
}

// How far an attempt came, by the words of Go, client-go and the API server.
var (
	untrusted = regexp.MustCompile(`x509:|tls:|certificate`)
	unknown   = regexp.MustCompile(`Unauthorized|must be logged in|\b401\b`)
	unready   = regexp.MustCompile(`forbidden|the server |unexpected|\b[45]\d\d\b`)
)

// unreachable says how far the syncer comes on its way to the member. What join mends is an object's.
func unreachable(m *check.Member, text string) check.Finding {
	mend := func(what, flags string) string {
		if m.Object == nil {
			return what + ", in the kubeconfig that the syncer's file names"
		}
		return fmt.Sprintf("%s\n$ kubectl federation join %s --member-context CONTEXT%s", what, m.Name, flags)
	}
	switch {
	case untrusted.MatchString(text):
		return check.Bad(m.Name, "the certificate of its API server is not one that the kubeconfig trusts: %s", text).
			With("%s", mend("take certificate-authority-data from the cluster, and an address that is in the "+
				"certificate", ""))
	case unknown.MatchString(text):
		return check.Bad(m.Name, "it does not know the account of the kubeconfig: %s", text).
			With("%s", mend("give it a new token", " --rotate"))
	case unready.MatchString(text):
		return check.Bad(m.Name, "it answers, and not with success: %s", text).With(
			"look at its API server\n$ kubectl --context <%s> get --raw '/readyz?verbose'", m.Name)
	}
	return check.Bad(m.Name, "no connection: %s", text).With("look at the address in the kubeconfig, and at the way " +
		"from the syncer to it: routes, firewalls, proxies\n$ kubectl federation clusters -o wide")
}
