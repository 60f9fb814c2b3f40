package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/test/world"
)

// ShardState is what a Service and its EndpointSlice are to be.
type ShardState struct {
	Exists     bool
	Federation string // the label; "" for none
	Ready      bool
	Addresses  []netip.Addr
}

// Member is a cluster whose objects are written by the run alone.
type Member struct {
	*world.Member
	client kubernetes.Interface
	config *rest.Config
	index  int
	// hang is the file with which the credential plugin hangs, if there is one.
	hang     string
	deploy   string // the folder with the rights
	standIns *standIns
}

// requestTime is how long one request may take: an API server that is stopped
// answers none.
const requestTime = 3 * time.Second

func newMember(m *world.Member, index int) (*Member, error) {
	config := m.Cluster.Config()
	config.QPS, config.WarningHandler, config.Timeout = -1, rest.NoWarnings{}, requestTime
	client, err := kubernetes.NewForConfig(config)
	return &Member{Member: m, client: client, config: config, index: index}, err
}

// Apply makes the Service and its slice what they are to be, whatever they are,
// and returns the ClusterIPs. before, if not nil, is what they certainly are.
// After an error any part may have been made.
func (m *Member) Apply(ctx context.Context, service int, before *ShardState, want ShardState) ([]netip.Addr, error) {
	if !want.Exists {
		return nil, m.remove(ctx, service)
	}
	if before == nil || !before.Exists {
		return m.create(ctx, service, want)
	}
	if before.Federation != want.Federation {
		if err := m.label(ctx, service, want); err != nil {
			return nil, err
		}
	}
	if !slices.Equal(before.Addresses, want.Addresses) {
		if err := m.ingress(ctx, service, want); err != nil {
			return nil, err
		}
	}
	if before.Ready != want.Ready {
		return nil, m.ready(ctx, service, want)
	}
	return nil, nil
}

func (m *Member) remove(ctx context.Context, service int) error {
	name := ServiceName(service)
	err := m.client.CoreV1().Services(world.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	err = m.client.DiscoveryV1().EndpointSlices(world.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// create creates what is missing and sets all of it. The slice comes last.
func (m *Member) create(ctx context.Context, service int, want ShardState) ([]netip.Addr, error) {
	name := ServiceName(service)
	dual := corev1.IPFamilyPolicyPreferDualStack
	_, err := m.client.CoreV1().Services(world.Namespace).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels(want)},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, IPFamilyPolicy: &dual,
			Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		err = m.label(ctx, service, want)
	}
	if err != nil {
		return nil, err
	}
	if err := m.ingress(ctx, service, want); err != nil {
		return nil, err
	}
	svc, err := m.client.CoreV1().Services(world.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	port, portName := int32(80), "http"
	_, err = m.client.DiscoveryV1().EndpointSlices(world.Namespace).Create(ctx, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: sliceLabels(name, want)},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
		Endpoints:   m.endpoints(service, want),
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		if err = m.patch(ctx, "endpointslices", name,
			map[string]any{"metadata": map[string]any{"labels": labelPatch(want)}}); err == nil {
			err = m.ready(ctx, service, want)
		}
	}
	var ips []netip.Addr
	for _, ip := range svc.Spec.ClusterIPs {
		if a, err := netip.ParseAddr(ip); err == nil {
			ips = append(ips, a)
		}
	}
	return ips, err
}

func labels(want ShardState) map[string]string {
	if want.Federation == "" {
		return nil
	}
	return map[string]string{member.LabelFederation: want.Federation}
}

func sliceLabels(name string, want ShardState) map[string]string {
	out := map[string]string{discoveryv1.LabelServiceName: name}
	if want.Federation != "" {
		out[member.LabelFederation] = want.Federation
	}
	return out
}

// labelPatch sets the label, or takes it away.
func labelPatch(want ShardState) map[string]any {
	if want.Federation == "" {
		return map[string]any{member.LabelFederation: nil}
	}
	return map[string]any{member.LabelFederation: want.Federation}
}

// label changes the label of the Service, and of its slice as the EndpointSlice
// controller would.
func (m *Member) label(ctx context.Context, service int, want ShardState) error {
	patch := map[string]any{"metadata": map[string]any{"labels": labelPatch(want)}}
	if err := m.patch(ctx, "services", ServiceName(service), patch); err != nil {
		return err
	}
	err := m.patch(ctx, "endpointslices", ServiceName(service), patch)
	if apierrors.IsNotFound(err) {
		return nil // it is made last
	}
	return err
}

func (m *Member) ingress(ctx context.Context, service int, want ShardState) error {
	var ingress []corev1.LoadBalancerIngress
	for _, a := range want.Addresses {
		ingress = append(ingress, corev1.LoadBalancerIngress{IP: a.String()})
	}
	return m.patch(ctx, "services", ServiceName(service),
		map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": ingress}}}, "status")
}

func (m *Member) ready(ctx context.Context, service int, want ShardState) error {
	return m.patch(ctx, "endpointslices", ServiceName(service), map[string]any{"endpoints": m.endpoints(service, want)})
}

func (m *Member) endpoints(service int, want ShardState) []discoveryv1.Endpoint {
	ready := want.Ready
	return []discoveryv1.Endpoint{{
		Addresses:  []string{fmt.Sprintf("10.%d.200.%d", m.index+1, service+1)},
		Conditions: discoveryv1.EndpointConditions{Ready: &ready},
	}}
}

func (m *Member) patch(ctx context.Context, resource, name string, patch any, sub ...string) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	client := m.client.CoreV1().RESTClient()
	if resource == "endpointslices" {
		client = m.client.DiscoveryV1().RESTClient()
	}
	return client.Patch(types.MergePatchType).Namespace(world.Namespace).Resource(resource).Name(name).
		SubResource(sub...).Body(body).Do(ctx).Error()
}

// stormEvery is the time from one change of a Node to the next, if the API
// server is that fast.
const stormEvery = 20 * time.Millisecond

const (
	nodes      = 2 // of each member
	stormLabel = "example.com/storm"
)

// Storm changes the labels of the Nodes, one after the other, until ctx ends, and
// puts them back: all lose region and topology zone to values that no DNS name
// can have, or to none, and get them again. So again and again there is no Node
// that says where the member is (H6).
func (m *Member) Storm(ctx context.Context) (changes int, err error) {
	tick := time.NewTicker(stormEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		lost := map[string]any{corev1.LabelTopologyRegion: nil, corev1.LabelTopologyZone: nil,
			stormLabel: fmt.Sprint(changes)}
		if changes%8 == 0 {
			lost[corev1.LabelTopologyRegion], lost[corev1.LabelTopologyZone] = fmt.Sprintf("dc.row_%d", changes),
				fmt.Sprintf("dc.rack_%d", changes)
		}
		again := map[string]any{corev1.LabelTopologyRegion: m.Region, corev1.LabelTopologyZone: m.Zone, stormLabel: nil}
		for _, labels := range []map[string]any{lost, again} {
			for node := range nodes {
				name := fmt.Sprintf("%s-node-%d", m.Name, node+1)
				if err := m.relabel(context.WithoutCancel(ctx), name, labels); err != nil {
					return changes, err
				}
				changes++
				select {
				case <-ctx.Done(): // but they get their labels back
				case <-tick.C:
				}
			}
		}
	}
	return changes, nil
}

func (m *Member) relabel(ctx context.Context, node string, labels map[string]any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
	if err != nil {
		return err
	}
	_, err = m.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}
