package federatedservice

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/policy"
	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/federation/snapshot"
)

var nginx = federation.ServiceName{Namespace: "shop", Name: "nginx"}

// world is one federation with the members a and b, and nginx with a healthy shard in a.
type world struct {
	federation *snapshot.Federation
	service    *snapshot.Service
}

func newWorld(t *testing.T, change func(*world)) *snapshot.Federation {
	t.Helper()
	named := federation.Federation{Name: "fed", Domain: "example.com.", Naming: federation.Flat}
	levels := federation.NewLevels(named,
		[]federation.Member{{Name: "a", Region: "eu"}, {Name: "b", Region: "us"}}, federation.PublishOptions{})
	present := policy.Reach{Standing: policy.Present, Observed: true}
	w := &world{
		federation: &snapshot.Federation{
			Config: config.Federation{Federation: named},
			Levels: levels, Claim: snapshot.Claim{Held: true},
			Summary: policy.Summary{Present: true, Observed: true},
			Members: []*snapshot.Member{
				{Name: "a", Object: true, Reach: present, ClusterUID: "1"},
				{Name: "b", Object: true, Reach: present, ClusterUID: "2"},
			},
		},
		service: &snapshot.Service{Name: nginx, Shards: []snapshot.Shard{
			{
				Shard:  federation.Shard{Member: "a", Healthy: true, Addresses: addresses("203.0.113.1")},
				Listed: true, Ready: 2,
			},
			{Shard: federation.Shard{Member: "b"}, Listed: true, Reason: federation.ReasonNoReadyEndpoints},
		}, HealthyAt: time.Unix(1, 0)},
	}
	w.service.Records, _ = levels.RRsets(nginx, []federation.Shard{w.service.Shards[0].Shard}, true)
	if change != nil {
		change(w)
	}
	w.federation.Views = &snapshot.Views{}
	if w.service != nil {
		w.federation.Views.SetService(w.service)
	}
	return w.federation
}

func addresses(list ...string) (out []netip.Addr) {
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

func object() *v1alpha1.FederatedService {
	f := &v1alpha1.FederatedService{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nginx", Generation: 3}}
	f.Spec.Federation = "fed"
	return f
}

var there = []cluster{{name: "a", done: true}, {name: "b", done: true}}

func TestClusterStatus(t *testing.T) {
	failed := cluster{name: "a", failure: propagate.Failure{Reason: v1alpha1.ReasonNotOurs, Message: "theirs"}}
	for _, tt := range []struct {
		name    string
		cluster cluster
		change  func(*world)
		want    string
	}{
		{"G1 a healthy shard", there[0], nil, "Healthy "},
		{"G1 a shard that is not", there[1], nil, "Unhealthy NoReadyEndpoints"},
		{"G5 what is not ours may be a healthy shard", failed, nil, "Healthy NotOurs"},
		{"G5 what is not ours and no shard is missing", failed, func(w *world) { w.service.Shards = nil },
			"Missing NotOurs"},
		{"G1 what was applied is about to be seen", there[0], func(w *world) { w.service = nil }, "Missing Pending"},
		{"G1 a member that is lost", there[0], func(w *world) { w.federation.Members[0].Reach.Standing = policy.Lost },
			"Unknown MemberUnreachable"},
		{"G1 a member that is drained", there[0], func(w *world) { w.federation.Members[0].Drained = time.Unix(1, 0) },
			"Unhealthy Drained"},
		{"G1 what is held is not what the member shows", there[0], func(w *world) {
			w.service.Shards[0].Shown, w.service.Shards[0].Reason = &federation.Shard{Member: "a"}, "NoAddress"
		}, "Unhealthy NoAddress"},
		{"G1 an address that is refused is more exact than none", there[1], func(w *world) {
			w.service.Shards[1].Reason = federation.ReasonNoAddress
			w.service.Problems = []federation.Problem{{Member: "b", Reason: federation.ReasonAddressRefused}}
		}, "Unhealthy AddressRefused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := []*snapshot.Federation{newWorld(t, tt.change)}
			have := clusterStatus(tt.cluster, of(all, object()))
			if text := string(have.State) + " " + have.Reason; text != tt.want {
				t.Errorf("%s (%s)", text, have.Message)
			}
		})
	}
}

func TestPublished(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*world)
		want   string
	}{
		{"G1 published", nil, "True Published"},
		{"G1 no shard", func(w *world) { w.service = nil }, "False NoHealthyShard"},
		{"G1 no healthy shard", func(w *world) {
			w.service.Shards[0].Shard = federation.Shard{Member: "a"}
			w.service.Records, w.service.HealthyAt = nil, time.Time{}
		}, "False NoHealthyShard"},
		{"G1 records on their way", func(w *world) { w.service.Records = nil }, "Unknown Pending"},
		{"G1 another syncer's", func(w *world) { w.federation.Claim = snapshot.Claim{Foreign: true} }, "False Foreign"},
		{"G1 not claimed yet", func(w *world) { w.federation.Claim = snapshot.Claim{} }, "Unknown Pending"},
		{"G1 no provider", func(w *world) {
			w.federation.Claim = snapshot.Claim{Held: true, ProviderDown: true, Err: errors.New("no route")}
		}, "False ProviderDown"},
		{"G1 a name that the provider refuses", func(w *world) {
			global := federation.FQDN("nginx.shop.fed.svc.example.com.")
			w.service.Names = map[federation.FQDN]snapshot.Name{global: {Open: errors.New("refused")}}
		}, "False ProviderDown"},
		{"G1 held", func(w *world) { w.service.Held = []policy.Held{{Reason: federation.ReasonEmptyGrace}} },
			"False Held"},
		{"G1 braked", func(w *world) { w.federation.Braked = []policy.Braked{{Service: nginx}} },
			"False WaitsForConfirm"},
		{"G1 of another name", func(w *world) { w.federation.Config.Name = "other" }, "False FederationUnknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := statusOf(time.Unix(100, 0), object(), []*snapshot.Federation{newWorld(t, tt.change)}, there)
			c := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionPublished)
			if have := string(c.Status) + " " + c.Reason; have != tt.want || c.Message == "" ||
				c.ObservedGeneration != 3 {
				t.Errorf("%s %q", have, c.Message)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	one := []*snapshot.Federation{newWorld(t, nil)}
	t.Run("G1 the addresses of healthy shards, and the names, global first", func(t *testing.T) {
		st := statusOf(time.Unix(100, 0), object(), one, there)
		want := []string{"nginx.shop.fed.svc.example.com", "nginx.shop.fed.svc.eu.example.com",
			"nginx.shop.fed.svc.us.example.com"}
		if !slices.Equal(st.Names, want) || st.Healthy != "1/2" || st.Addresses != "203.0.113.1" ||
			len(st.LoadBalancer.Ingress) != 1 || st.LoadBalancer.Ingress[0].IP != "203.0.113.1" {
			t.Errorf("%+v", st)
		}
	})
	t.Run("G1 a load balancer with a host name has that, and not what it resolves to", func(t *testing.T) {
		have := ingress(&federation.Shard{Host: "lb.example.net.", Addresses: addresses("203.0.113.9"), Resolved: true})
		if len(have) != 1 || have[0].Hostname != "lb.example.net" || have[0].IP != "" {
			t.Errorf("%+v", have)
		}
	})
	t.Run("G1 nothing is written for a time, nor for the conditions of others", func(t *testing.T) {
		f := object()
		f.Status = statusOf(time.Unix(100, 0), f, one, there)
		f.Status.Conditions = append(f.Status.Conditions, metav1.Condition{Type: "Theirs"})
		later := statusOf(time.Unix(200, 0), f, one, there)
		if !sameStatus(f.Status, later) {
			t.Errorf("%+v is not %+v", f.Status, later)
		}
		if changed := statusOf(time.Unix(200, 0), f, one, there[:1]); sameStatus(f.Status, changed) {
			t.Errorf("%+v is the same", changed)
		}
	})
	for _, tt := range []struct {
		name     string
		clusters []cluster
		want     string
	}{
		{"G1 in all", there, "True InAllClusters"},
		{"G1 in none", nil, "False NoClusters"},
		{"G9 not in one", []cluster{there[0], {name: "b", failure: propagate.Failure{Reason: "Conflict"}}},
			"False SomeClustersFailed 1 of 2: b Conflict"},
		{"G1 on its way", []cluster{there[0], {name: "b", failure: propagate.Failure{Reason: "Pending"}}},
			"Unknown Pending"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := propagated(tt.clusters)
			if have := string(c.Status) + " " + c.Reason + " " + c.Message; !strings.HasPrefix(have, tt.want) {
				t.Error(have)
			}
		})
	}
}

func TestStanding(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*snapshot.Member)
		open   bool
		wait   bool
		words  string
	}{
		{"B4 a member that is present", func(*snapshot.Member) {}, true, false, ""},
		{"B4 a member of the file", func(m *snapshot.Member) { m.Object = false }, false, false, "configuration file"},
		{"B4 another cluster than before", func(m *snapshot.Member) {
			m.ProbeErr = &member.IdentityError{Member: "a", Known: "1", Is: "2"}
		}, false, false, ""},
		{"B4 the same cluster as another member", func(m *snapshot.Member) {
			m.ProbeErr = &member.DuplicateError{Member: "a", Other: "b"}
		}, false, false, ""},
		{"G8 a member that is lost", func(m *snapshot.Member) {
			m.Reach.Standing, m.ProbeErr = policy.Lost, errors.New("no answer")
		}, false, false, "no answer"},
		{"G8 a member that is being listed", func(m *snapshot.Member) { m.Reach.Standing = policy.Starting },
			false, true, "listed"},
		{"B4 a member whose identity is not known", func(m *snapshot.Member) { m.ClusterUID = "" },
			false, true, "listed"},
		{"B4 a member that has departed", func(m *snapshot.Member) { m.Departed = true },
			false, true, "take the member up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newWorld(t, func(w *world) { tt.change(w.federation.Members[0]) })
			g := standing([]*snapshot.Federation{f}, "a")
			if g.open != tt.open || g.waiting != tt.wait || !strings.Contains(g.failure.Message, tt.words) {
				t.Errorf("%+v", g)
			}
		})
	}
}
