package plugincases

import (
	_ "embed"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

//go:embed objects.yaml
var objectsText string

//go:embed pods.yaml
var podsText string

//go:embed slices.yaml
var slicesText string

// Many is how many endpoints the headless Service of that name has: more than fit a reply over UDP.
const Many = 100

// Objects are those that stand in every cluster of the cases.
func Objects() ([]runtime.Object, error) {
	list, err := decode(objectsText)
	return append(list, manyEndpoints()), err
}

// Pods are those from which a cluster's own controller makes EndpointSlices.
func Pods() ([]runtime.Object, error) { return decode(podsText) }

// Slices are what it makes of them.
func Slices() ([]runtime.Object, error) { return decode(slicesText) }

// decode reads one object a line, with the protocol of ports set as an API server does.
func decode(text string) ([]runtime.Object, error) {
	var list []runtime.Object
	decoder := scheme.Codecs.UniversalDeserializer()
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		o, _, err := decoder.Decode([]byte("---\n"+line), nil, nil) // with a brace first it would be JSON
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		tcp := corev1.ProtocolTCP
		switch o := o.(type) {
		case *corev1.Service:
			for i := range o.Spec.Ports {
				if p := &o.Spec.Ports[i]; p.Protocol == "" {
					p.Protocol = tcp
				}
			}
		case *discoveryv1.EndpointSlice:
			for i := range o.Ports {
				o.Ports[i].Protocol = &tcp
			}
		}
		list = append(list, o)
	}
	return list, nil
}

func manyEndpoints() *discoveryv1.EndpointSlice {
	ready, port, name, tcp := true, int32(8080), "http", corev1.ProtocolTCP
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "many-1", Namespace: "ns",
			Labels: map[string]string{discoveryv1.LabelServiceName: "many"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &tcp}},
	}
	for i := range Many {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{fmt.Sprintf("10.65.0.%d", i+1)},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		})
	}
	return s
}
