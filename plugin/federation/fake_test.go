package federation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/kubernetes"
	"github.com/coredns/coredns/plugin/kubernetes/object"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"

	"github.com/miekg/dns"
	api "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// cluster is a fake of the kubernetes plugin's indexes.
type cluster struct {
	services   map[string]*object.Service
	endpoints  map[string][]*object.Endpoints
	namespaces map[string]bool
	nodes      map[string]*api.Node
	mu         sync.Mutex // nodes and namespaces may be added while they are looked for
	nodesAsked int
	unsynced   atomic.Bool
	// beforeEndpoints runs before each look into the endpoints.
	beforeEndpoints func()
}

func (c *cluster) ServiceList() []*object.Service                               { return nil }
func (c *cluster) EndpointsList() []*object.Endpoints                           { return nil }
func (c *cluster) ServiceImportList() []*object.ServiceImport                   { return nil }
func (c *cluster) SvcIndexReverse(string) []*object.Service                     { return nil }
func (c *cluster) SvcExtIndexReverse(string) []*object.Service                  { return nil }
func (c *cluster) SvcImportIndex(string) []*object.ServiceImport                { return nil }
func (c *cluster) PodIndex(string) []*object.Pod                                { return nil }
func (c *cluster) McEpIndex(string) []*object.MultiClusterEndpoints             { return nil }
func (c *cluster) Run()                                                         {}
func (c *cluster) Stop() error                                                  { return nil }
func (c *cluster) Modified(kubernetes.ModifiedMode) int64                       { return 7 }
func (c *cluster) HasSynced() bool                                              { return !c.unsynced.Load() }
func (c *cluster) GetNodeByName(_ context.Context, n string) (*api.Node, error) { return c.node(n) }

func (c *cluster) EpIndexReverse(ip string) (found []*object.Endpoints) {
	for _, list := range c.endpoints {
		for _, ep := range list {
			if slices.ContainsFunc(ep.Subsets[0].Addresses, func(a object.EndpointAddress) bool { return a.IP == ip }) {
				found = append(found, ep)
			}
		}
	}
	return found
}

func (c *cluster) node(name string) (*api.Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodesAsked++
	if n := c.nodes[name]; n != nil {
		return n, nil
	}
	return nil, fmt.Errorf("nodes %q not found", name)
}

func (c *cluster) setNode(name string, labels map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[name] = &api.Node{ObjectMeta: meta.ObjectMeta{Name: name, Labels: labels}}
}

func (c *cluster) setNamespace(name string, exists bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.namespaces[name] = exists
}

func (c *cluster) SvcIndex(key string) []*object.Service {
	if s := c.services[key]; s != nil {
		return []*object.Service{s}
	}
	return nil
}

func (c *cluster) EpIndex(key string) []*object.Endpoints {
	if c.beforeEndpoints != nil {
		c.beforeEndpoints()
	}
	return c.endpoints[key]
}

func (c *cluster) GetNamespaceByName(name string) (*object.Namespace, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.namespaces[name] {
		return &object.Namespace{Name: name}, nil
	}
	return nil, fmt.Errorf("namespace %q not found", name)
}

// service adds a Service "S.N" with its ClusterIPs ("None" for headless), and its namespace.
func (c *cluster) service(key string, ips ...string) *object.Service {
	name, namespace, _ := strings.Cut(key, ".")
	c.namespaces[namespace] = true
	s := &object.Service{Name: name, Namespace: namespace, Index: key, ClusterIPs: ips, Type: api.ServiceTypeClusterIP,
		Ports: []api.ServicePort{{Name: "http", Protocol: "TCP", Port: 80}}}
	c.services[key] = s
	return s
}

// slice adds an EndpointSlice with ready addresses; "host=ip" names one.
func (c *cluster) slice(key string, addrs ...string) {
	name, namespace, _ := strings.Cut(key, ".")
	ep := &object.Endpoints{Name: fmt.Sprintf("%s-%d", name, len(c.endpoints[key])), Namespace: namespace, Index: key,
		Subsets: []object.EndpointSubset{{Ports: []object.EndpointPort{{Name: "http", Protocol: "TCP", Port: 80}}}}}
	for _, a := range addrs {
		host, ip, named := strings.Cut(a, "=")
		if !named {
			host, ip = "", a
		}
		ep.Subsets[0].Addresses = append(ep.Subsets[0].Addresses, object.EndpointAddress{IP: ip, Hostname: host})
	}
	c.endpoints[key] = append(c.endpoints[key], ep)
}

// newCluster returns a cluster with the Services that the tests ask for.
func newCluster() *cluster {
	c := &cluster{
		services: map[string]*object.Service{}, endpoints: map[string][]*object.Endpoints{},
		namespaces: map[string]bool{"empty": true}, nodes: map[string]*api.Node{},
	}
	c.service("healthy.ns", "10.0.0.1")
	c.slice("healthy.ns", "172.0.0.1", "172.0.0.2")
	c.service("dual.ns", "10.0.0.2", "fd00::2")
	c.slice("dual.ns", "172.0.0.1")
	c.service("six.ns", "fd00::6")
	c.slice("six.ns", "fd01::6")
	c.service("severalslices.ns", "10.0.0.3")
	c.slice("severalslices.ns")
	c.slice("severalslices.ns", "172.0.0.9")
	c.service("dead.ns", "10.0.0.4")
	c.service("notready.ns", "10.0.0.5")
	c.slice("notready.ns") // the index holds ready addresses only
	c.service("headless.ns", "None")
	c.slice("headless.ns", "one=172.0.0.1", "two=172.0.0.2")
	c.service("headlessdead.ns", "None")
	c.slice("headlessdead.ns")
	ext := c.service("external.ns", "")
	ext.Type, ext.ExternalName = api.ServiceTypeExternalName, "www.example.net"
	c.service("hidden.secret", "10.0.0.7")
	c.slice("hidden.secret", "172.0.0.7")
	return c
}

// records is a fake upstream: zone-file lines, and the faults to inject.
type records struct {
	rrs    []dns.RR
	rcode  map[string]int  // by name: this, without records
	silent map[string]bool // by name: no answer until the context ends
	lost   map[string]bool // by name: no message and no error
	asked  atomic.Int64
	block  chan struct{} // if set, every lookup waits for it
}

func newRecords(t testing.TB, lines ...string) *records {
	t.Helper()
	r := &records{rcode: map[string]int{}, silent: map[string]bool{}, lost: map[string]bool{}}
	for _, l := range lines {
		rr, err := dns.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		r.rrs = append(r.rrs, rr)
	}
	return r
}

var soa = test.SOA("example.com. 300 IN SOA ns.example.com. host.example.com. 1 7200 1800 86400 5")

// Lookup answers as a recursive server does: with the chain as far as it goes.
func (r *records) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	r.asked.Add(1)
	if r.block != nil {
		<-r.block
	}
	if r.silent[name] {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if r.lost[name] {
		return nil, nil
	}
	m := new(dns.Msg)
	m.SetReply(state.Req)
	m.Question[0].Name = name
	m.AuthenticatedData, m.RecursionAvailable = true, true
	if rcode, ok := r.rcode[name]; ok {
		m.Rcode = rcode
		if rcode == dns.RcodeNameError {
			m.Ns = []dns.RR{soa}
		}
		return m, nil
	}
	exists := false
	for links := 0; links < 20; links++ {
		next := ""
		exists = false
		for _, rr := range r.rrs {
			if !strings.EqualFold(rr.Header().Name, name) {
				continue
			}
			exists = true
			if c, ok := rr.(*dns.CNAME); ok && typ != dns.TypeCNAME {
				m.Answer, next = append(m.Answer, rr), c.Target
			} else if rr.Header().Rrtype == typ {
				m.Answer = append(m.Answer, rr)
			}
		}
		if next == "" {
			break
		}
		name = next
	}
	if !exists {
		m.Rcode = dns.RcodeNameError
	}
	if n := len(m.Answer); n == 0 || m.Answer[n-1].Header().Rrtype != typ {
		m.Ns = []dns.RR{soa}
	}
	return m, nil
}

// stanza returns a kubernetes plugin set up by its directive, on the fake indexes.
func stanza(t testing.TB, c *cluster, directive string) *kubernetes.Kubernetes {
	t.Helper()
	ctl := caddy.NewTestController("dns", directive)
	ctl.Next()
	k, err := kubernetes.ParseStanza(ctl)
	if err != nil {
		t.Fatal(err)
	}
	k.APIConn = c
	return k
}

const (
	usualKubernetes = "kubernetes cluster.local in-addr.arpa"
	usualFederation = "federation {\n myfed example.com\n topology region1 zone1\n}"
)

// newPlugin returns a plugin set up by two directives, on the fakes.
func newPlugin(t testing.TB, c *cluster, up lookuper, k8s, directive string) *Federation {
	t.Helper()
	cfg, err := parse(caddy.NewTestController("dns", directive))
	if err != nil {
		t.Fatal(err)
	}
	k := stanza(t, c, k8s)
	f := &Federation{config: cfg, Next: k}
	if err := f.attach(k); err != nil {
		t.Fatal(err)
	}
	if cfg.topology != nil {
		f.setTopology(*cfg.topology)
		f.topologyTried.Store(true)
	}
	if up != nil {
		f.chaser.upstream = up
		k.Upstream = up
	}
	k.Next = plugin.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) {
		return dns.RcodeRefused, nil
	})
	return f
}

// exchange asks a handler one question and checks what holds for every question: exactly one reply if it says so, which
// packs, for the question asked, and the request is as it was (Q11).
func exchange(t testing.TB, h plugin.Handler, r *dns.Msg) *dns.Msg {
	t.Helper()
	before := r.Copy()
	w := &countingWriter{ResponseWriter: &test.ResponseWriter{}}
	rec := dnstest.NewRecorder(w)
	rcode, err := h.ServeDNS(context.Background(), rec, r)
	if err != nil {
		t.Fatalf("%s: %v", question(r), err)
	}
	if before.String() != r.String() {
		t.Errorf("%s: the request was changed to %s", question(before), r)
	}
	if !plugin.ClientWrite(rcode) {
		if w.written > 0 {
			t.Fatalf("%s: rcode %d returned, and written too", question(r), rcode)
		}
		m := new(dns.Msg)
		return m.SetRcode(r, rcode)
	}
	if w.written != 1 {
		t.Fatalf("%s: %d replies, want 1", question(r), w.written)
	}
	if _, err := rec.Msg.Pack(); err != nil {
		t.Fatalf("%s: %v", question(r), err)
	}
	if rec.Msg.Id != r.Id || len(rec.Msg.Question) != 1 || rec.Msg.Question[0] != r.Question[0] {
		t.Errorf("%s: the reply is for %v", question(r), rec.Msg.Question)
	}
	if &rec.Msg.Question[0] == &r.Question[0] {
		t.Errorf("%s: a plugin that changes the reply's question changes the request's", question(r))
	}
	return rec.Msg
}

func question(r *dns.Msg) string {
	return r.Question[0].Name + " " + dns.TypeToString[r.Question[0].Qtype]
}

type countingWriter struct {
	dns.ResponseWriter
	written int
	fail    error
}

func (w *countingWriter) WriteMsg(m *dns.Msg) error {
	w.written++
	if w.fail != nil {
		err := w.fail
		w.fail = nil
		return err
	}
	return nil
}

// ask is exchange for a name and a type.
func ask(t testing.TB, h plugin.Handler, name string, qtype uint16) *dns.Msg {
	t.Helper()
	r := new(dns.Msg)
	r.SetQuestion(name, qtype)
	return exchange(t, h, r)
}

// short is a reply in one line: rcode, answers as "owner TYPE data", and "soa" if there is one.
func short(m *dns.Msg) string {
	parts := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		h := rr.Header()
		parts = append(parts, fmt.Sprintf("%s %s %s", h.Name, dns.TypeToString[h.Rrtype],
			strings.TrimPrefix(rr.String(), h.String())))
	}
	for _, rr := range m.Ns {
		if rr.Header().Rrtype == dns.TypeSOA {
			parts = append(parts, "soa "+rr.Header().Name)
		}
	}
	return strings.Join(parts, "; ")
}

// stepwise is an upstream that does not follow CNAMEs.
type stepwise struct{ *records }

func (s stepwise) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	m, err := s.records.Lookup(ctx, state, name, typ)
	if err == nil && len(m.Answer) > 1 {
		m.Answer, m.Ns, m.Rcode = m.Answer[:1], nil, dns.RcodeSuccess
	}
	return m, err
}

// changed is an upstream whose replies are changed.
type changed struct {
	*records
	change func(*dns.Msg)
}

func (c changed) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	m, err := c.records.Lookup(ctx, state, name, typ)
	c.change(m)
	return m, err
}

// slow is an upstream that takes its time over the names of the federation.
type slow struct {
	*records
	wait atomic.Int64 // a time.Duration
}

func (s *slow) Lookup(ctx context.Context, state request.Request, name string, typ uint16) (*dns.Msg, error) {
	if strings.Contains(name, ".myfed.svc.") {
		select {
		case <-time.After(time.Duration(s.wait.Load())):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return s.records.Lookup(ctx, state, name, typ)
}
