package federation

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes/object"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
	api "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/federation-dns/federation/test/plugincases"
)

// TestCases asks the questions of the table of package plugincases, which test/e2e asks of a whole CoreDNS with a real
// API server.
func TestCases(t *testing.T) {
	setups, err := plugincases.Setups()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range setups {
		t.Run(s.Name, func(t *testing.T) {
			t.Setenv("NODE_NAME", s.Node)
			server := newCaseServer(t, s)
			for _, c := range s.Cases {
				t.Run(c.Rule, func(t *testing.T) {
					for _, q := range c.Questions {
						switch {
						case q.Real:
						case q.Slow:
							synctest.Test(t, func(t *testing.T) { askCase(t, newCaseServer(t, s), q) })
						default:
							askCase(t, server, q)
						}
					}
				})
			}
		})
	}
}

func askCase(t *testing.T, server plugin.Handler, q plugincases.Question) {
	t.Helper()
	r := q.Msg()
	m := exchange(t, server, r)
	if err := plugincases.WellFormed(r, m); err != nil {
		t.Errorf("%s: %v", q, err)
	}
	if got := plugincases.Text(m); got != q.Want {
		t.Errorf("%s\n got %s\nwant %s", q, got, q.Want)
	}
}

// caseServer has the server blocks of a setup.
type caseServer struct {
	blocks   []plugincases.Block
	handlers []plugin.Handler
	other    plugin.Handler // for names in none of them
}

// newCaseServer returns a setup's server on the fakes.
func newCaseServer(t *testing.T, s plugincases.Setup) *caseServer {
	t.Helper()
	up, err := plugincases.NewUpstream()
	if err != nil {
		t.Fatal(err)
	}
	out := &caseServer{blocks: s.Blocks, other: caseForward{up}}
	for _, b := range s.Blocks {
		c := newCaseCluster(t, s, b)
		f := newPlugin(t, c, caseUpstream{up, out}, b.Kubernetes, b.Federation)
		f.delegateTo(caseForward{up})
		if f.config.topology == nil {
			place, _ := nodeTopology(t.Context(), c) // none: names point to global
			f.setTopology(place)
		}
		out.handlers = append(out.handlers, f)
	}
	return out
}

// delegateTo sets the plugin after the kubernetes plugin.
func (f *Federation) delegateTo(next plugin.Handler) { f.k8s.Next = next }

// Name implements plugin.Handler.
func (s *caseServer) Name() string { return "server" }

// ServeDNS implements plugin.Handler: the block with the longest zone answers.
func (s *caseServer) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	best, handler := -1, s.other
	for i, b := range s.blocks {
		if z := dns.CanonicalName(b.Zone); plugin.Name(z).Matches(r.Question[0].Name) && len(z) > best {
			best, handler = len(z), s.handlers[i]
		}
	}
	return handler.ServeDNS(ctx, w, r)
}

// caseUpstream looks up names in the server itself, or else in the upstream.
type caseUpstream struct {
	up     *plugincases.Upstream
	server *caseServer
}

// Lookup implements lookuper.
func (u caseUpstream) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	r := state.Req.Copy()
	r.Question[0].Name, r.Question[0].Qtype = name, typ
	w := &keepingWriter{ResponseWriter: &test.ResponseWriter{}}
	if rcode, err := u.server.ServeDNS(ctx, w, r); err != nil || w.msg != nil {
		return w.msg, err
	} else if rcode != dns.RcodeSuccess {
		return new(dns.Msg).SetRcode(r, rcode), nil
	}
	<-ctx.Done() // it does not answer
	return nil, ctx.Err()
}

type keepingWriter struct {
	dns.ResponseWriter
	msg *dns.Msg
}

func (w *keepingWriter) WriteMsg(m *dns.Msg) error {
	w.msg = m
	return nil
}

// caseForward is the forward plugin of the cases.
type caseForward struct{ up *plugincases.Upstream }

// Name implements plugin.Handler.
func (caseForward) Name() string { return "forward" }

// ServeDNS implements plugin.Handler.
func (f caseForward) ServeDNS(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if m := f.up.Answer(r); m != nil {
		_ = w.WriteMsg(m)
	}
	return dns.RcodeSuccess, nil
}

// newCaseCluster has the objects of the cases, as the kubernetes plugin's own functions read them, and as its filters
// let them through.
func newCaseCluster(t *testing.T, s plugincases.Setup, b plugincases.Block) *cluster {
	t.Helper()
	objects, err := plugincases.Objects()
	if err != nil {
		t.Fatal(err)
	}
	slices, err := plugincases.Slices()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{services: map[string]*object.Service{}, endpoints: map[string][]*object.Endpoints{},
		namespaces: map[string]bool{}, nodes: map[string]*api.Node{}}
	for _, o := range append(objects, slices...) {
		c.add(t, o.DeepCopyObject(), selector(t, b.Option("labels")), selector(t, b.Option("namespace_labels")))
	}
	if s.Refused {
		clear(c.nodes)
	}
	return c
}

func selector(t *testing.T, text string) labels.Selector {
	t.Helper()
	s, err := labels.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (c *cluster) add(t *testing.T, o runtime.Object, objects, namespaces labels.Selector) {
	t.Helper()
	wants := func(m meta.ObjectMeta, s labels.Selector) bool { return s.Matches(labels.Set(m.Labels)) }
	switch o := o.(type) {
	case *api.Node:
		c.nodes[o.Name] = o
	case *api.Namespace:
		if wants(o.ObjectMeta, namespaces) {
			c.namespaces[o.Name] = true
		}
	case *api.Service:
		if wants(o.ObjectMeta, objects) {
			s := converted[*object.Service](t, object.ToService, o)
			c.services[s.Index] = s
		}
	case *discovery.EndpointSlice:
		if wants(o.ObjectMeta, objects) {
			e := converted[*object.Endpoints](t, object.EndpointSliceToEndpoints, o)
			c.endpoints[e.Index] = append(c.endpoints[e.Index], e)
		}
	default:
		t.Fatalf("an object of type %T", o)
	}
}

func converted[T any](t *testing.T, convert func(meta.Object) (meta.Object, error), o meta.Object) T {
	t.Helper()
	out, err := convert(o)
	if err != nil {
		t.Fatal(err)
	}
	return out.(T)
}

// TestBigAnswers packs what does not fit a small message: the server cuts it, but it has to have all of it.
func TestBigAnswers(t *testing.T) {
	t.Run("Q6 a headless Service with more endpoints than fit", func(t *testing.T) {
		setups, err := plugincases.Setups()
		if err != nil {
			t.Fatal(err)
		}
		m := ask(t, newCaseServer(t, setups[0]), "many.ns.myfed.svc.cluster.local.", dns.TypeA)
		seen := map[netip.Addr]bool{}
		for _, rr := range m.Answer {
			addr, _ := netip.AddrFromSlice(rr.(*dns.A).A)
			seen[addr] = true
		}
		if len(seen) != plugincases.Many || len(m.Answer) != plugincases.Many {
			t.Errorf("%d answers, %d addresses, want %d", len(m.Answer), len(seen), plugincases.Many)
		}
	})
}
