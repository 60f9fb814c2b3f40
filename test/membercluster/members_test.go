package membercluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"

	"github.com/federation-dns/federation/test/kube"
)

// members are stand-ins for the API servers of members, all behind one address: https://ADDRESS/NAME. Each shows one
// healthy shard of nginx.shop.
type members struct {
	*httptest.Server
	mu       sync.Mutex
	byName   map[string]*memberAPI
	requests map[string]int // by what was asked for: probe, list, watch, identity, mirror
}

type memberAPI struct {
	uid, address string
	tokens       map[string]bool // those that are valid
	status       int             // of every answer, if it is not 0
	lists        int             // the same, of lists and watches
	silent       bool            // no request is answered
	unlisted     bool            // no list is answered
	refused      int             // requests with a token that is not valid
	byToken      map[string]int
	version      int           // the resource version of all that it has
	changed      chan struct{} // closed by the next version
}

func startMembers(t *testing.T) *members {
	m := &members{byName: map[string]*memberAPI{}, requests: map[string]int{}}
	m.Server = httptest.NewUnstartedServer(http.HandlerFunc(m.serve))
	m.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	m.EnableHTTP2 = true
	m.Config.ErrorLog = log.New(io.Discard, "", 0) // clients give up: some tests have them do so
	m.StartTLS()
	t.Cleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

// certificate returns one that costs little: a thousand members make thousands of handshakes, here all with one server.
func certificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// add adds a member; its identity, its address and the token "token-1" are its own.
func (m *members) add(name string) *memberAPI {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.byName) + 1
	api := &memberAPI{
		uid: fmt.Sprintf("3f0a7d0e-0000-4000-8000-%012d", n), address: fmt.Sprintf("203.0.%d.%d", 113+n/250, n%250+1),
		tokens: map[string]bool{"token-1": true}, byToken: map[string]int{}, version: 1, changed: make(chan struct{}),
	}
	m.byName[name] = api
	return api
}

// change changes a member.
func (m *members) change(name string, f func(*memberAPI)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m.byName[name])
}

// all changes all members.
func (m *members) all(f func(*memberAPI)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, api := range m.byName {
		f(api)
	}
}

// move gives the Service of a member another address.
func (m *members) move(name, address string) {
	m.change(name, func(api *memberAPI) {
		api.address = address
		api.version++
		close(api.changed)
		api.changed = make(chan struct{})
	})
}

// asked returns how many requests a member had with a token.
func (m *members) asked(name, token string) (n int) {
	m.change(name, func(api *memberAPI) { n = api.byToken[token] })
	return n
}

func (m *members) uid(name string) (uid string) {
	m.change(name, func(api *memberAPI) { uid = api.uid })
	return uid
}

// take returns how many requests there were, by kind, and begins anew.
func (m *members) take() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := maps.Clone(m.requests)
	clear(m.requests)
	return counts
}

func (m *members) ca() string {
	return string(kube.CertificateOf(m.Server))
}

// kubeconfig returns one for a member.
func (m *members) kubeconfig(name, token string) string {
	return kubeconfig(m.URL+"/"+name, m.ca(), token)
}

func kubeconfig(server, ca, token string) string {
	data, _ := json.Marshal([]byte(ca)) // base64; there is no error
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: u, user: {token: %q}}]
`, server, data, token)
}

func (m *members) serve(w http.ResponseWriter, r *http.Request) {
	name, url, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	m.mu.Lock()
	api, kind := m.byName[name], "list"
	switch {
	case strings.HasSuffix(url, "/configmaps"):
		kind = "mirror"
	case r.FormValue("limit") == "1":
		kind = "probe"
	case strings.HasPrefix(url, "api/v1/namespaces/") || url == "version":
		kind = "identity"
	case r.FormValue("watch") != "":
		kind = "watch"
	}
	m.requests[kind]++
	status, known := http.StatusNotFound, memberAPI{}
	if api != nil {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		api.byToken[token]++
		switch {
		case api.status != 0:
			status = api.status
		case !api.tokens[token]:
			status = http.StatusUnauthorized
			api.refused++
		case api.lists != 0 && (kind == "list" || kind == "watch"):
			status = api.lists
		case kind == "mirror": // deploy/member-mirror-rbac.yaml is not applied
			status = http.StatusForbidden
		default:
			status = 0
		}
		known = *api
	}
	m.mu.Unlock()
	if known.silent || known.unlisted && kind == "list" {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	var answer any
	switch {
	case status != 0:
		w.WriteHeader(status)
		answer = statusOf(status)
	case url == "version":
		answer = version.Info{Major: "1", Minor: "37", GitVersion: "v1.37.2"}
	case kind == "identity":
		answer = corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: types.UID(known.uid)}}
	case strings.Contains(r.URL.RawQuery, "sendInitialEvents"): // as servers that only know lists
		s := apierrors.NewInvalid(schema.GroupKind{}, "", nil).Status()
		w.WriteHeader(int(s.Code))
		answer = s
	case kind == "watch":
		m.watch(w, r, api, url)
		return
	default:
		answer = known.list(url)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// watch shows changes of the Service, and a bookmark in each minute as API servers do, until the client ends it or its
// time is up.
func (m *members) watch(w http.ResponseWriter, r *http.Request, api *memberAPI, url string) {
	resource := path.Base(url)
	seconds, _ := strconv.Atoi(r.FormValue("timeoutSeconds")) // clients send both
	sent, _ := strconv.Atoi(r.FormValue("resourceVersion"))
	end := time.After(time.Duration(seconds) * time.Second)
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	send := func(kind string, object any) {
		_ = json.NewEncoder(w).Encode(map[string]any{"type": kind, "object": object}) // the client may be gone
	}
	w.WriteHeader(http.StatusOK)
	for {
		m.mu.Lock()
		now := *api
		m.mu.Unlock()
		if resource == "services" && now.version > sent {
			sent = now.version
			send("MODIFIED", now.service())
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-now.changed:
		case <-tick.C:
			bookmark := metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{Kind: "Service", APIVersion: "v1"},
				ObjectMeta: metav1.ObjectMeta{ResourceVersion: fmt.Sprint(now.version)}}
			if resource == "endpointslices" {
				bookmark.TypeMeta = metav1.TypeMeta{Kind: "EndpointSlice", APIVersion: "discovery.k8s.io/v1"}
			}
			send("BOOKMARK", bookmark)
		case <-end:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func statusOf(code int) metav1.Status {
	err := apierrors.NewInternalError(fmt.Errorf("status %d", code))
	switch code {
	case http.StatusServiceUnavailable:
		err = apierrors.NewServiceUnavailable("the server is going away")
	case http.StatusUnauthorized:
		err = apierrors.NewUnauthorized("Unauthorized")
	case http.StatusForbidden:
		err = apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "", fmt.Errorf(
			`User "x" cannot list resource "services" in API group "" at the cluster scope`))
	}
	status := err.Status()
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	return status
}

func (a *memberAPI) meta() metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "shop", Name: "nginx", ResourceVersion: fmt.Sprint(a.version),
		Labels: map[string]string{"federation-dns.io/federation": "fed"}}
}

func (a *memberAPI) service() *corev1.Service {
	return &corev1.Service{
		TypeMeta: metav1.TypeMeta{Kind: "Service", APIVersion: "v1"}, ObjectMeta: a.meta(),
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.96.0.10",
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: "TCP"}}},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{
			Ingress: []corev1.LoadBalancerIngress{{IP: a.address}}}},
	}
}

func (a *memberAPI) list(url string) any {
	listMeta := metav1.ListMeta{ResourceVersion: fmt.Sprint(a.version)}
	switch path.Base(url) {
	case "services":
		return corev1.ServiceList{TypeMeta: metav1.TypeMeta{Kind: "ServiceList", APIVersion: "v1"}, ListMeta: listMeta,
			Items: []corev1.Service{*a.service()}}
	case "endpointslices":
		ready, port, name, tcp := true, int32(80), "http", corev1.ProtocolTCP
		slice := discoveryv1.EndpointSlice{ObjectMeta: a.meta(), AddressType: discoveryv1.AddressTypeIPv4,
			Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &tcp}},
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.1"},
				Conditions: discoveryv1.EndpointConditions{Ready: &ready}}}}
		slice.Name += "-abcde"
		slice.Labels[discoveryv1.LabelServiceName] = "nginx"
		return discoveryv1.EndpointSliceList{
			TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"},
			ListMeta: listMeta, Items: []discoveryv1.EndpointSlice{slice}}
	}
	return metav1.PartialObjectMetadataList{
		TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"}, ListMeta: listMeta}
}
