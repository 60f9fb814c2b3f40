package membercluster

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/snapshot"
)

func object(drain bool) *v1alpha1.MemberCluster {
	m := &v1alpha1.MemberCluster{ObjectMeta: metav1.ObjectMeta{Name: "a", Generation: 3}}
	m.Spec.Drain = drain
	return m
}

// state returns a member with a standing, the error of its last probes, and how many of them failed.
func state(standing policy.Standing, err error, failed int) *snapshot.Member {
	return &snapshot.Member{
		Name: "a", Reach: policy.Reach{Standing: standing, Observed: standing == policy.Present},
		Contact:  policy.Contact{Ever: standing == policy.Present, Failed: failed},
		Topology: federation.Member{Name: "a", Region: "eu", Zones: []federation.Label{"eu-a", "eu-b"}},
		Version:  "v1.37.2", ClusterUID: "uid-a", Shards: 3, Healthy: 2, ProbeErr: err,
	}
}

func seen(states ...*snapshot.Member) facts { return facts{states: states} }

func TestReady(t *testing.T) {
	inMember := func(err error) error { return fmt.Errorf("member %q: %w", "a", err) }
	silent := inMember(errors.New("no answer to a probe within 3s"))
	refused := errors.New("the field exec is refused")
	gone := fmt.Errorf("the Secret %q: %w: it does not exist", "x", kubeconfig.ErrNoKubeconfig)
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "", errors.New("cannot list"))
	present, panicking := state(policy.Present, nil, 0), state(policy.Lost, silent, 9)
	panicking.Reach.Panic = true
	unwatched := state(policy.Lost, nil, 0)
	unwatched.Reach.Unwatched = true
	unwatched.Problems = []federation.Problem{{Reason: federation.ReasonWatchFailed, Detail: "services: 403"}}
	for _, tt := range []struct {
		what string
		f    facts
		m    *v1alpha1.MemberCluster
		want string
	}{
		{"the name is in the file", facts{taken: true, kubeconfig: gone}, nil, "False NameTaken a member of the"},
		{"the spec is none of this version", facts{spec: errors.New("spec.x: bad")}, nil, "Unknown Pending this"},
		{"no Secret", facts{kubeconfig: gone}, nil,
			`False SecretMissing the Secret "x": no kubeconfig: it does not exist`},
		{"a refused kubeconfig", facts{kubeconfig: refused}, nil, "False KubeconfigRefused the field exec is refused"},
		{"a refused kubeconfig after a good one", facts{kubeconfig: refused, states: []*snapshot.Member{present}}, nil,
			"False KubeconfigRefused the field exec is refused; the kubeconfig from before stays"},
		{"no loop knows it", facts{}, nil, "Unknown Pending the syncer is about"},
		{"starting", seen(state(policy.Starting, nil, 0)), nil, "Unknown Starting its Services"},
		{"starting without an answer", seen(state(policy.Starting, silent, 1)), nil,
			"False Unreachable no answer to a probe"},
		{"present", seen(present), nil, "True Ready it takes part"},
		{"one slow answer", seen(state(policy.Present, silent, 1)), nil, "True Ready"},
		{"three failures", seen(state(policy.Present, silent, 3)), nil, "False Unreachable"},
		{"lost in one federation", seen(present, state(policy.Lost, silent, 9)), nil,
			"False Unreachable no answer to a probe"},
		{"401", seen(state(policy.Lost, inMember(apierrors.NewUnauthorized("who")), 9)), nil,
			"False Unauthorized its API server does not know"},
		{"403", seen(state(policy.Lost, inMember(forbidden), 9)), nil,
			"False Forbidden services is forbidden: cannot list"},
		{"a certificate", seen(
			state(policy.Lost, inMember(x509.UnknownAuthorityError{}), 9)), nil, "False CertificateInvalid x509: "},
		{"nothing can be watched", seen(unwatched), nil,
			"False Forbidden it answers, but its Services or EndpointSlices cannot be listed and watched: serv"},
		{"the same cluster", seen(
			state(policy.Lost, &member.DuplicateError{Member: "a", Other: "b"}, 9)), nil,
			`False DuplicateCluster "b" is`},
		{"another cluster", seen(
			state(policy.Lost, &member.IdentityError{Member: "a", Known: "x", Is: "y"}, 9)), nil,
			"False IdentityChanged it is another cluster"},
		{"drained", seen(present), object(true), "False Drained spec.drain"},
		{"drained and away", seen(panicking), object(true), "False Drained spec.drain"},
		{"cut off", seen(panicking), nil, "Unknown SyncerCutOff it was lost together"},
	} {
		t.Run("K3 "+tt.what, func(t *testing.T) {
			m := tt.m
			if m == nil {
				m = object(false)
			}
			c := statusOf(time.Now(), m, tt.f).Conditions[0]
			if have := fmt.Sprintf("%s %s %s", c.Status, c.Reason, c.Message); !strings.HasPrefix(have, tt.want) {
				t.Errorf("%s\nwant %s", have, tt.want)
			}
			if c.ObservedGeneration != 3 || c.Type != v1alpha1.ConditionReady {
				t.Errorf("%+v", c)
			}
		})
	}
	t.Run("K4 what differs at each probe is not in the message", func(t *testing.T) {
		for text, want := range map[string]string{
			`member "a": read tcp 127.0.0.1:43812->192.0.2.1:6443: read: connection reset by peer`: "read tcp " +
				"192.0.2.1:6443: read: connection reset by peer",
			`member "a": x509: certificate has expired: current time 2026-11-26T02:24:17Z is after 2026`: "x509: " +
				"certificate has expired: the current time is after 2026",
		} {
			if have := message(errors.New(text)); have != want {
				t.Errorf("%q, want %q", have, want)
			}
		}
	})
}

func TestStatus(t *testing.T) {
	first := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	present := seen(state(policy.Present, nil, 0), state(policy.Present, nil, 0))
	m := object(false)
	m.Status.Conditions = []metav1.Condition{
		{Type: "Other", Status: "True"}, {Type: v1alpha1.ConditionReady, Status: "Unknown", Reason: "Pending"}}
	m.Status = statusOf(first, m, present)
	t.Run("K3 what the federations know, all shards counted", func(t *testing.T) {
		s := m.Status
		have := fmt.Sprint(s.ClusterID, " ", s.Version, " ", s.Topology.Region, " ", s.Zones, " ", s.Shards.Summary,
			" ", len(s.Conditions), " ", s.Conditions[0].LastTransitionTime.UTC())
		if want := "uid-a v1.37.2 eu eu-a,eu-b 4/6 1 2026-11-01 00:00:00 +0000 UTC"; have != want {
			t.Errorf("%s\nwant %s", have, want)
		}
	})
	t.Run("K4 the same again is the same status", func(t *testing.T) {
		m.Status.Conditions = append(m.Status.Conditions, metav1.Condition{Type: "Other", Status: "False"})
		next := statusOf(first.Add(time.Hour), m, present)
		if !same(m.Status, next) || next.Conditions[0].LastTransitionTime.UTC() != first {
			t.Errorf("%+v", next)
		}
	})
	t.Run("K3 another reason is another status; the time stays while the condition's status does", func(t *testing.T) {
		later := first.Add(time.Hour)
		unreachable := statusOf(later, m, seen(state(policy.Lost, errors.New("silent"), 9)))
		if same(m.Status, unreachable) || unreachable.Conditions[0].LastTransitionTime.UTC() != later {
			t.Errorf("%+v", unreachable)
		}
		if unreachable.Zones != "eu-a,eu-b" || unreachable.Shards.Summary != "4/6" {
			t.Errorf("what was known is forgotten: %+v", unreachable)
		}
	})
	t.Run("K1 an object whose name is taken shows nothing of the member of the file", func(t *testing.T) {
		s := statusOf(first, object(false), facts{taken: true, states: present.states})
		if s.ClusterID != "" || s.Shards != nil || s.Version != "" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("J3 the version of the Secret in use outlasts a restart, and no other Secret", func(t *testing.T) {
		m := object(false)
		m.Spec.KubeconfigSecret = v1alpha1.SecretKey{Name: "x", Key: "k"}
		m.Status = statusOf(first, m, facts{inUse: "7", states: present.states})
		check := func(what, want string, f facts) {
			t.Helper()
			s, have := statusOf(first, m, f).KubeconfigSecret, "none"
			if s != nil {
				have = s.Name + " " + s.Key + " " + s.ResourceVersion
			}
			if have != want {
				t.Errorf("%s: in use is %s, want %s", what, have, want)
			}
		}
		check("no answer yet", "x k 7", facts{states: present.states})
		check("an answer", "x k 8", facts{inUse: "8", states: present.states})
		check("the name is taken", "none", facts{inUse: "8", taken: true, states: present.states})
		m.Spec.KubeconfigSecret.Key = "other"
		check("another key", "none", facts{states: present.states})
	})
	t.Run("X4d a member that departed is no state of a new object", func(t *testing.T) {
		departed := *state(policy.Lost, nil, 0)
		departed.Departed = true
		f := &snapshot.Federation{Members: []*snapshot.Member{&departed}}
		if all := byName([]*snapshot.Federation{f}); len(all) > 0 {
			t.Errorf("%v", all)
		}
	})
}
