package membercluster

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
)

// members are stand-ins for the API servers of members, all behind one address: https://ADDRESS/NAME. Each shows one
// healthy shard of nginx.shop.
type members struct {
	*httptest.Server
	mu       sync.Mutex
	byName   map[string]*memberAPI
	requests map[string]int // by what was asked for: probe, list, watch, identity
}

type memberAPI struct {
	uid, address string
	tokens       map[string]bool // those that are valid
	status       int             // of every answer, if it is not 0
	refused      int             // requests with a token that is not valid
	byToken      map[string]int
}

func startMembers(t *testing.T) *members {
	m := &members{byName: map[string]*memberAPI{}, requests: map[string]int{}}
	m.Server = httptest.NewTLSServer(http.HandlerFunc(m.serve))
	t.Cleanup(func() {
		m.CloseClientConnections()
		m.Close()
	})
	return m
}

// add adds a member; its identity, its address and the token "token-1" are its own.
func (m *members) add(name string) *memberAPI {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.byName) + 1
	api := &memberAPI{
		uid: fmt.Sprintf("3f0a7d0e-0000-4000-8000-%012d", n), address: fmt.Sprintf("203.0.%d.%d", 113+n/250, n%250+1),
		tokens: map[string]bool{"token-1": true}, byToken: map[string]int{},
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
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Certificate().Raw}))
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
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	m.mu.Lock()
	api, kind := m.byName[name], "list"
	switch {
	case r.FormValue("limit") == "1":
		kind = "probe"
	case strings.HasPrefix(path, "api/v1/namespaces/") || path == "version":
		kind = "identity"
	case r.FormValue("watch") != "":
		kind = "watch"
	}
	m.requests[kind]++
	status, known := http.StatusNotFound, memberAPI{}
	if api != nil {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		api.byToken[token]++
		if status = api.status; status == 0 && !api.tokens[token] {
			status = http.StatusUnauthorized
			api.refused++
		}
		known = *api
	}
	m.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	var answer any
	switch {
	case status != 0:
		w.WriteHeader(status)
		answer = statusOf(status)
	case path == "version":
		answer = version.Info{Major: "1", Minor: "37", GitVersion: "v1.37.2"}
	case kind == "identity":
		answer = corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: types.UID(known.uid)}}
	case strings.Contains(r.URL.RawQuery, "sendInitialEvents"): // as servers that only know lists
		s := apierrors.NewInvalid(schema.GroupKind{}, "", nil).Status()
		w.WriteHeader(int(s.Code))
		answer = s
	case kind == "watch":
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	default:
		answer = known.list(path)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func statusOf(code int) metav1.Status {
	err := apierrors.NewInternalError(fmt.Errorf("status %d", code))
	switch code {
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

func (a *memberAPI) list(path string) any {
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "nginx", ResourceVersion: "1",
		Labels: map[string]string{"federation-dns.io/federation": "fed"}}
	listMeta := metav1.ListMeta{ResourceVersion: "1"}
	switch {
	case strings.HasSuffix(path, "/services"):
		return corev1.ServiceList{TypeMeta: metav1.TypeMeta{Kind: "ServiceList", APIVersion: "v1"}, ListMeta: listMeta,
			Items: []corev1.Service{{ObjectMeta: meta,
				Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.96.0.10",
					Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: "TCP"}}},
				Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{
					Ingress: []corev1.LoadBalancerIngress{{IP: a.address}}}}}}}
	case strings.HasSuffix(path, "/endpointslices"):
		ready, port, name, tcp := true, int32(80), "http", corev1.ProtocolTCP
		slice := discoveryv1.EndpointSlice{ObjectMeta: *meta.DeepCopy(), AddressType: discoveryv1.AddressTypeIPv4,
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
