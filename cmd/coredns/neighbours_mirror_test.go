package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	core "github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
)

// mirrorWriter writes the mirror of federation fed into the cluster, as the syncer does.
type mirrorWriter struct {
	api *kubeAPI
	hb  mirror.Heartbeat
}

func newMirrorWriter(api *kubeAPI) *mirrorWriter {
	return &mirrorWriter{api: api, hb: mirror.Heartbeat{
		Format: mirror.Format, Member: "here", Owner: "owner", Generation: 1, Set: "set",
		Identity: mirror.IdentityOf(core.Federation{Name: "fed", Domain: "example.com."}),
		Buckets:  []mirror.BucketState{{Published: true}},
		Starts:   []mirror.Start{{Region: "region1", Zone: "zone1"}}, StaleUntil: time.Now().Add(time.Hour).UTC(),
	}}
}

func (w *mirrorWriter) put(name string, data map[string]string) {
	w.api.put(pathMirrors, name, func(m metav1.ObjectMeta, t metav1.TypeMeta) any {
		m.Namespace, m.Labels = mirror.Namespace, map[string]string{mirror.Label: "fed"}
		return corev1.ConfigMap{TypeMeta: t, ObjectMeta: m, Data: data}
	})
}

// say writes that Service dead has the address at global, and beats.
func (w *mirrorWriter) say(addr string) {
	s := mirror.Service{Namespace: "ns", Name: "dead", Levels: []mirror.Level{
		{Level: "zone1.example.com.", TTL: 180, Up: "example.com."},
		{Level: "example.com.", TTL: 180, Addresses: []mirror.Address{
			{Address: netip.MustParseAddr(addr), Members: []string{"there"}}}},
	}, Ports: []mirror.Port{{Name: "http", Protocol: "tcp", Port: 80}}}
	data := mirror.EncodeBucket(mirror.Header{Format: mirror.Format, Identity: w.hb.Identity, Owner: w.hb.Owner,
		Set: w.hb.Set, Count: 1}, []string{s.Line()})
	w.put(w.hb.BucketName(0, 1), data)
	w.hb.Buckets[0].Hash = mirror.Hash(data)
	w.beat()
}

func (w *mirrorWriter) beat() {
	w.hb.Snapshot++
	w.put(w.hb.HeartbeatName(), w.hb.Encode())
}

// mirrorText is the answer from the mirror.
func mirrorText(addr string) string {
	return `NOERROR aa rd
		dead.ns.fed.svc.cluster.local. 5 CNAME dead.ns.fed.svc.zone1.example.com.
		dead.ns.fed.svc.zone1.example.com. 5 CNAME dead.ns.fed.svc.example.com.
		dead.ns.fed.svc.example.com. 5 A ` + addr
}

func TestNeighboursMirror(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	w := newMirrorWriter(api)
	w.say("203.0.113.51")
	conf := corefile(api, auth, "prometheus 127.0.0.1:0")
	p := run(t, conf)
	c := p.client(t)
	gauge := func(t *testing.T, want string) {
		t.Helper()
		poll(t, want, func() bool {
			return strings.Contains(get(t, "http://"+p.Metrics+"/metrics"), "coredns_federation_mirror_"+want+"\n")
		})
	}
	t.Run("M4 what stood there when it started is not fresh", func(t *testing.T) {
		gauge(t, `services{federation="fed"} 1`)
		gauge(t, `fresh{federation="fed"} 0`)
		c.eventually(federated("dead"), dns.TypeA, deadText, 10*time.Second)
	})
	t.Run("M5 a change that is seen makes it fresh", func(t *testing.T) {
		w.beat()
		took := c.eventually(federated("dead"), dns.TypeA, mirrorText("203.0.113.51"), 10*time.Second)
		gauge(t, `fresh{federation="fed"} 1`)
		t.Logf("after %v", took)
	})
	t.Run("M5 nothing is looked up", func(t *testing.T) {
		before := auth.questions("dead.ns.fed.svc.zone1.example.com.", dns.TypeA)
		check(t, c.ask(federated("dead"), dns.TypeA), mirrorText("203.0.113.51"))
		check(t, c.ask(federated("gone"), dns.TypeA), "NXDOMAIN aa rd\n; cluster.local. 5 SOA 5")
		check(t, c.ask(federated("www.google"), dns.TypeA), "NXDOMAIN aa rd\n; cluster.local. 5 SOA 5")
		if n := auth.questions("dead.ns.fed.svc.zone1.example.com.", dns.TypeA) - before; n != 0 {
			t.Errorf("%d lookups", n)
		}
	})
	t.Run("M9 SRV", func(t *testing.T) {
		check(t, c.ask("_http._tcp."+federated("dead"), dns.TypeSRV), `NOERROR aa rd
			_http._tcp.dead.ns.fed.svc.cluster.local. 5 SRV 0 100 80 dead.ns.fed.svc.cluster.local.
			+ dead.ns.fed.svc.cluster.local. 5 A 203.0.113.51`)
	})
	t.Run("M5 a change is answered at once, with the domain's server down", func(t *testing.T) {
		auth.setFail(true)
		defer auth.setFail(false)
		w.say("203.0.113.52")
		took := c.eventually(federated("dead"), dns.TypeA, mirrorText("203.0.113.52"), 10*time.Second)
		t.Logf("after %v", took)
	})
	t.Run("M5 a reload leaves it fresh", func(t *testing.T) {
		w.beat()
		if err := p.reload(conf); err != "" {
			t.Fatal(err)
		}
		c := p.client(t)
		poll(t, "the new instance to know the Services", func() bool {
			return c.ask(federated("healthy"), dns.TypeA).Rcode == dns.RcodeSuccess
		})
		check(t, c.ask(federated("dead"), dns.TypeA), mirrorText("203.0.113.52"))
	})
	t.Run("M6 without a heartbeat it is not fresh for long", func(t *testing.T) {
		p.client(t).eventually(federated("dead"), dns.TypeA, deadText, 20*time.Second)
		gauge(t, `fresh{federation="fed"} 0`)
	})
	t.Run("M6 and is served if there is no other answer", func(t *testing.T) {
		auth.setFail(true)
		check(t, p.client(t).ask(federated("dead"), dns.TypeA, withEDNS(1232)), mirrorText("203.0.113.52")+
			"\nopt 1232 ede 3 the federation's records could not be read anew")
		auth.setFail(false)
	})
}

func TestNeighboursMirrorRefused(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	api.mu.Lock()
	api.refused = true
	api.mu.Unlock()
	newMirrorWriter(api).say("203.0.113.51")
	p := run(t, corefile(api, auth, "ready 127.0.0.1:0"))
	c := p.client(t)
	t.Run("M10 without the right everything works as before, and it is said once", func(t *testing.T) {
		c.eventually(federated("dead"), dns.TypeA, deadText, 10*time.Second)
		poll(t, "a third try", func() bool {
			api.mu.Lock()
			defer api.mu.Unlock()
			return api.asked[pathMirrors] >= 3
		})
		if n := strings.Count(p.says.String(), "[WARNING] plugin/federation: the mirrors in namespace "+
			`"federation-mirror" may not be read`); n != 1 {
			t.Errorf("it was said %d times", n)
		}
	})
	t.Run("M10 once it has the right, it reads", func(t *testing.T) {
		api.mu.Lock()
		api.refused = false
		api.mu.Unlock()
		poll(t, "the mirrors to be read", func() bool {
			return strings.Contains(p.says.String(), "can be read now")
		})
	})
}

func TestNeighboursMirrorOff(t *testing.T) {
	t.Parallel()
	api, auth := newKubeAPI(t).usual(), newAuthority(t)
	newMirrorWriter(api).say("203.0.113.51")
	conf := strings.Replace(corefile(api, auth, ""), "topology region1 zone1", "topology region1 zone1\n mirror off", 1)
	c := run(t, conf).client(t)
	t.Run("Q10 with mirror off there is no watch of our own", func(t *testing.T) {
		c.eventually(federated("dead"), dns.TypeA, deadText, 10*time.Second)
		api.mu.Lock()
		defer api.mu.Unlock()
		for path := range api.asked {
			if path != pathNamespaces && path != pathServices && path != pathSlices {
				t.Errorf("%s was asked for", path)
			}
		}
	})
}
