// Package fakeapi is an API server of many Services that never change, for benchmarks of what reads them: lists and
// silent watches over HTTP.
package fakeapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	namespaces = 50
	// Endpoints is how many ready endpoints each Service has.
	Endpoints = 4
	// DualStack is the number of the one of ten Services that is dual-stack. All but it and Headless have an IPv4
	// ClusterIP.
	DualStack = 1
	// Headless is the number of the one of ten Services that is headless.
	Headless = 2
)

// ServiceName returns "service.namespace" of the Service of a number, which begins with 0.
func ServiceName(i int) string { return fmt.Sprintf("svc-%d.ns-%d", i, i%namespaces) }

// Server is a running API server.
type Server struct {
	*httptest.Server
	watches *atomic.Int64
}

// Watches is how many watches were opened so far.
func (s Server) Watches() int64 { return s.watches.Load() }

// Close ends the server, and the watches on it.
func (s Server) Close() {
	s.CloseClientConnections()
	s.Server.Close()
}

// Start starts a server of that many Services, on loopback. Close it.
func Start(services int) Server {
	lists := map[string]any{
		"/api/v1/namespaces":                       namespaceList(),
		"/api/v1/services":                         serviceList(services),
		"/apis/discovery.k8s.io/v1/endpointslices": sliceList(services),
	}
	watches := new(atomic.Int64)
	return Server{watches: watches,
		Server: httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			switch list, ok := lists[r.URL.Path]; {
			case !ok:
				http.NotFound(w, r)
			case strings.Contains(r.URL.RawQuery, "sendInitialEvents"): // as servers that only know lists
				status := apierrors.NewInvalid(schema.GroupKind{}, "", nil).Status()
				w.WriteHeader(int(status.Code))
				_ = json.NewEncoder(w).Encode(status)
			case r.FormValue("watch") != "":
				watches.Add(1)
				w.WriteHeader(http.StatusOK)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			default:
				_ = json.NewEncoder(w).Encode(list)
			}
		}))}
}

var (
	listMeta = metav1.ListMeta{ResourceVersion: "1"}
	portName = "http"
	port     = int32(80)
	protocol = corev1.ProtocolTCP
	ready    = true
)

func meta(i int) metav1.ObjectMeta {
	name, namespace, _ := strings.Cut(ServiceName(i), ".")
	return metav1.ObjectMeta{Name: name, Namespace: namespace, ResourceVersion: "1"}
}

func namespaceList() corev1.NamespaceList {
	list := corev1.NamespaceList{TypeMeta: metav1.TypeMeta{Kind: "NamespaceList", APIVersion: "v1"}, ListMeta: listMeta}
	for i := range namespaces {
		list.Items = append(list.Items, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: meta(i).Namespace,
			ResourceVersion: "1"}})
	}
	return list
}

func serviceList(n int) corev1.ServiceList {
	list := corev1.ServiceList{TypeMeta: metav1.TypeMeta{Kind: "ServiceList", APIVersion: "v1"}, ListMeta: listMeta}
	for i := range n {
		ips := []string{fmt.Sprintf("10.%d.%d.%d", 96+i/62500, i/250%250, i%250+1)}
		switch i % 10 {
		case DualStack:
			ips = append(ips, fmt.Sprintf("fd00::%x", i+1))
		case Headless:
			ips = []string{corev1.ClusterIPNone}
		}
		list.Items = append(list.Items, corev1.Service{ObjectMeta: meta(i), Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: ips[0], ClusterIPs: ips,
			Ports: []corev1.ServicePort{{Name: portName, Port: port, Protocol: protocol}},
		}})
	}
	return list
}

func sliceList(n int) discoveryv1.EndpointSliceList {
	list := discoveryv1.EndpointSliceList{TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList",
		APIVersion: "discovery.k8s.io/v1"}, ListMeta: listMeta}
	for i := range n {
		slice := discoveryv1.EndpointSlice{ObjectMeta: meta(i), AddressType: discoveryv1.AddressTypeIPv4,
			Ports: []discoveryv1.EndpointPort{{Name: &portName, Port: &port, Protocol: &protocol}}}
		slice.Labels = map[string]string{discoveryv1.LabelServiceName: slice.Name}
		slice.Name += "-abcde"
		for j := range Endpoints {
			slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
				Addresses:  []string{fmt.Sprintf("10.%d.%d.%d", 128+i/2500, i/10%250, i%10*Endpoints+j+1)},
				Conditions: discoveryv1.EndpointConditions{Ready: &ready},
			})
		}
		list.Items = append(list.Items, slice)
	}
	return list
}
