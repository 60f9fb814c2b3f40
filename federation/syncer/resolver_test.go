package syncer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
)

// balancedAPI is an API server with one federated Service, behind a load balancer with a host name, and a ready
// endpoint.
func balancedAPI(t *testing.T) string {
	labels := map[string]string{member.LabelFederation: "fed", discoveryv1.LabelServiceName: "web"}
	ready := true
	lists := map[string]any{
		"/api/v1/services": &corev1.ServiceList{TypeMeta: metav1.TypeMeta{Kind: "ServiceList", APIVersion: "v1"},
			Items: []corev1.Service{{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: labels},
				Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer},
				Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{
					Ingress: []corev1.LoadBalancerIngress{{Hostname: "lb.example.net"}},
				}},
			}}},
		"/apis/discovery.k8s.io/v1/endpointslices": &discoveryv1.EndpointSliceList{
			TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"},
			Items: []discoveryv1.EndpointSlice{{
				ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: labels},
				AddressType: discoveryv1.AddressTypeIPv4,
				Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.10"},
					Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
			}},
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list := lists[r.URL.Path]
		switch {
		case list == nil:
			http.NotFound(w, r)
		case r.FormValue("watch") != "":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(list)
		}
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, `+
		`clusters: [{name: c, cluster: {server: %q}}], users: [{name: c, user: {}}], `+
		`contexts: [{name: c, context: {cluster: c, user: c}}]}`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// recursor is a DNS server that knows one address of every name.
func recursor(t *testing.T) netip.AddrPort {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		r := new(dns.Msg).SetReply(m)
		if q := m.Question[0]; q.Qtype == dns.TypeA {
			r.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: q.Qclass, Ttl: 60},
				A: net.IPv4(203, 0, 113, 99)}}
		}
		_ = w.WriteMsg(r)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		_ = server.Shutdown()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

func TestResolver(t *testing.T) {
	t.Run("H4 the configured servers are asked for the host names of a member", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cluster := config.Cluster{
			Member: member.Config{
				Name: "a", Federations: []federation.Label{"fed"},
				Topology: &federation.Member{Name: "a", Region: "east"},
			},
			Kubeconfig: config.Kubeconfig{Path: balancedAPI(t)}, DNS: []netip.AddrPort{recursor(t)},
		}
		events := make(chan member.Event, 100)
		members := newFleet(slog.New(slog.DiscardHandler), events, nil,
			noMirrors())
		defer members.stop()
		members.start(ctx, []config.Cluster{cluster}, false)
		for {
			select {
			case e := <-events:
				list, ok := e.(member.ListEvent)
				if !ok {
					continue
				}
				name := federation.ServiceName{Namespace: "shop", Name: "web"}
				shard := list.Shards[member.ShardKey{Federation: "fed", Service: name}]
				if !shard.Healthy || shard.Host != "lb.example.net." ||
					fmt.Sprint(shard.Addresses) != "[203.0.113.99]" {
					t.Errorf("%+v", list.Shards)
				}
				return
			case <-ctx.Done():
				t.Fatal("no list")
			}
		}
	})
}
