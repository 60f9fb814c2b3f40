package federation

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/pkg/nonwriter"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
	api "k8s.io/api/core/v1"
)

// TestOwnAddresses: an API server takes addresses in more forms than one.
func TestOwnAddresses(t *testing.T) {
	const zone, region = "dead.ns.myfed.svc.zone1.example.com.", "dead.ns.myfed.svc.region1.example.com."
	for _, tc := range []struct {
		rule, own string
		qtype     uint16
		lines     []string
		want      string
	}{
		{"Q8d an own address in another form", "2001:DB8:0::0099", dns.TypeAAAA,
			[]string{zone + " 5 IN AAAA 2001:db8::99", zone + " 5 IN AAAA 2001:db8::1"}, zone + " AAAA 2001:db8::1"},
		{"Q8d an own address written as an IPv6 one", "::ffff:203.0.113.99", dns.TypeA,
			[]string{zone + " 5 IN A 203.0.113.99", region + " 5 IN A 203.0.113.1"}, region + " A 203.0.113.1"},
		{"Q8d a host name is none", "lb.example.net", dns.TypeA, []string{zone + " 5 IN A 203.0.113.99"},
			zone + " A 203.0.113.99"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			c := newCluster()
			c.services["dead.ns"].ExternalIPs = []string{tc.own}
			got := short(ask(t, newPlugin(t, c, newRecords(t, tc.lines...), usualKubernetes, usualFederation),
				"dead.ns.myfed.svc.cluster.local.", tc.qtype))
			owner, _, _ := strings.Cut(tc.want, " ")
			if want := "NOERROR; dead.ns.myfed.svc.cluster.local. CNAME " + owner + "; " + tc.want; got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
		})
	}
	t.Run("Q8d type ANY too", func(t *testing.T) {
		c := newCluster()
		c.services["dead.ns"].ExternalIPs = []string{"203.0.113.99"}
		up := anyType{newRecords(t, zone+" 5 IN A 203.0.113.99", zone+" 5 IN AAAA 2001:db8::1")}
		got := short(ask(t, newPlugin(t, c, up, usualKubernetes, usualFederation), "dead.ns.myfed.svc.cluster.local.",
			dns.TypeANY))
		if want := "NOERROR; dead.ns.myfed.svc.cluster.local. CNAME " + zone + "; " + zone +
			" AAAA 2001:db8::1"; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// anyType answers all records of a name.
type anyType struct{ *records }

func (a anyType) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	m, err := a.records.Lookup(ctx, state, name, typ)
	for _, rr := range a.rrs {
		if err == nil && rr.Header().Name == name {
			m.Answer, m.Ns = append(m.Answer, rr), nil
		}
	}
	return m, err
}

// itself is an upstream that asks the plugin, as CoreDNS asks itself for names of its own zones.
type itself struct {
	handler plugin.Handler
	asked   int
	does    func(ctx context.Context)
}

func (u *itself) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	if u.asked++; u.asked > 100 {
		return nil, errors.New("it does not end")
	}
	if u.does != nil {
		u.does(ctx)
	}
	w := nonwriter.New(state.W)
	_, err := u.handler.ServeDNS(ctx, w, state.NewWithQuestion(name, typ).Req)
	return w.Msg, err
}

func TestLookupsOfItself(t *testing.T) {
	t.Run("Q8a ExternalName Services that lead to each other come to an end", func(t *testing.T) {
		c := newCluster()
		for name, target := range map[string]string{"one": "two.ns.myfed.svc.b.local",
			"two": "one.ns.myfed.svc.cluster.local"} {
			s := c.service(name+".ns", "")
			s.Type, s.ExternalName = api.ServiceTypeExternalName, target
		}
		up := &itself{}
		f := newPlugin(t, c, up, "kubernetes cluster.local b.local", usualFederation)
		up.handler = f
		ask(t, f, "one.ns.myfed.svc.cluster.local.", dns.TypeA)
		if up.asked > maxDepth {
			t.Errorf("%d lookups", up.asked)
		}
	})
	t.Run("Q8a a lookup has metadata of its own, as it may go on when the question has been answered",
		func(t *testing.T) {
			up := &itself{handler: test.NextHandler(dns.RcodeServerFailure, nil)}
			up.does = func(ctx context.Context) {
				if !metadata.SetValueFunc(ctx, "forward/upstream", func() string { return "192.0.2.53" }) {
					t.Error("it has none")
				}
			}
			f := newPlugin(t, newCluster(), up, usualKubernetes, usualFederation)
			ctx := metadata.ContextWithMetadata(t.Context())
			if _, err := f.ServeDNS(ctx, &test.ResponseWriter{},
				new(dns.Msg).SetQuestion("dead.ns.myfed.svc.cluster.local.", dns.TypeA)); err != nil {
				t.Fatal(err)
			}
			if up.asked == 0 || metadata.ValueFunc(ctx, "forward/upstream") != nil {
				t.Errorf("%d lookups; the question's metadata have what a lookup set", up.asked)
			}
		})
}
