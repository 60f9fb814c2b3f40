// Package pluginworld starts one cluster with the objects of package plugincases, and as many CoreDNS as are asked for.
package pluginworld

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/plugincases"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

// pluginUpstream is the address of the upstream of a PluginWorld.
const pluginUpstream = "127.0.0.53"

// limitedRBAC is an account that may read what CoreDNS's may, but for nodes.
const limitedRBAC = `apiVersion: v1
kind: ServiceAccount
metadata: {name: limited, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: limited}
rules:
- {apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: limited}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: limited}
subjects:
- {kind: ServiceAccount, name: limited, namespace: kube-system}
`

// World is one cluster with the objects of package plugincases, and the
// upstream of its cases: as many CoreDNS as are wanted can be started for it.
// It must be made inside a private network namespace.
type World struct {
	world        *world.World
	opt          world.Options
	member       *world.Member
	stopUpstream func()

	mu   sync.Mutex
	next netip.Addr // of the next CoreDNS
}

// Start starts the cluster and the upstream, and creates the objects.
func Start(ctx context.Context, opt world.Options) (*World, error) {
	opt.Places = []*world.Place{{Name: "plugin",
		PodCIDRs:     []netip.Prefix{netip.MustParsePrefix("10.64.0.0/15"), netip.MustParsePrefix("fd00:64::/64")},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("fd00:96::/112")},
	}}
	w, err := world.New(opt)
	if err != nil {
		return nil, err
	}
	p := &World{world: w, opt: opt, member: w.Members()[0], stopUpstream: func() {},
		next: netip.MustParseAddr("127.0.1.1")}
	return p, p.start(ctx)
}

func (p *World) start(ctx context.Context) error {
	m := p.member
	up, err := plugincases.NewUpstream()
	if err != nil {
		return err
	}
	if p.stopUpstream, err = up.Serve(pluginUpstream + ":53"); err != nil {
		return err
	}
	m.Cluster, err = kube.Start(ctx, kube.Options{
		Name: m.Name, Dir: p.world.Path("c", m.Name), Nodes: -1, // the Nodes and Pods are what the cases make them
		PodCIDRs: m.PodCIDRs, ServiceCIDRs: m.ServiceCIDRs, Binary: p.opt.Testcluster,
	})
	if err != nil {
		return err
	}
	if _, err := m.Kubectl(ctx, "", "apply", "-f", filepath.Join(p.opt.Deploy, "coredns-rbac.yaml")); err != nil {
		return err
	}
	if _, err := m.Kubectl(ctx, limitedRBAC, "apply", "-f", "-"); err != nil {
		return err
	}
	for account, file := range map[string]string{world.CoreDNSAccount: p.Kubeconfig(false),
		"limited": p.Kubeconfig(true)} {
		if err := m.AccountKubeconfig(ctx, world.CoreDNSNamespace, account, m.Cluster.Server(), file); err != nil {
			return err
		}
	}
	return p.create(ctx)
}

// Kubeconfig is that of CoreDNS's account, or of one that may not read nodes.
func (p *World) Kubeconfig(refused bool) string {
	return p.world.Path("c", fmt.Sprintf("refused-%t.kubeconfig", refused))
}

// Server is the URL of the API server.
func (p *World) Server() string { return p.member.Cluster.Server() }

// Client may do everything in the cluster.
func (p *World) Client() (kubernetes.Interface, error) {
	config := p.member.Cluster.Config()
	config.QPS, config.WarningHandler = -1, rest.NoWarnings{}
	return kubernetes.NewForConfig(config)
}

// create creates the objects, and waits until the cluster's own controller has
// made of the pods what package plugincases says.
func (p *World) create(ctx context.Context) error {
	client, err := p.Client()
	if err != nil {
		return err
	}
	objects, err := plugincases.Objects()
	if err != nil {
		return err
	}
	pods, err := plugincases.Pods()
	if err != nil {
		return err
	}
	for _, o := range append(objects, pods...) {
		if err := createObject(ctx, client, o); err != nil {
			return err
		}
	}
	want, err := plugincases.Slices()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return proc.Poll(ctx, "the EndpointSlices of the pods", func() error {
		for _, o := range want {
			if err := hasSlice(ctx, client, o.(*discoveryv1.EndpointSlice)); err != nil {
				return err
			}
		}
		return nil
	})
}

// createObject creates one object with its status, and deletes it if it has a
// deletionTimestamp.
func createObject(ctx context.Context, client kubernetes.Interface, o runtime.Object) error {
	var err error
	switch o := o.(type) {
	case *corev1.Namespace:
		_, err = client.CoreV1().Namespaces().Create(ctx, o, metav1.CreateOptions{})
	case *corev1.Node:
		_, err = client.CoreV1().Nodes().Create(ctx, o, metav1.CreateOptions{})
	case *discoveryv1.EndpointSlice:
		_, err = client.DiscoveryV1().EndpointSlices(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
	case *corev1.Service:
		var created *corev1.Service
		created, err = client.CoreV1().Services(o.Namespace).Create(ctx, o, metav1.CreateOptions{})
		if err == nil && len(o.Status.LoadBalancer.Ingress) > 0 {
			created.Status = o.Status
			_, err = client.CoreV1().Services(o.Namespace).UpdateStatus(ctx, created, metav1.UpdateOptions{})
		}
	case *corev1.Pod:
		err = createPod(ctx, client, o)
	default:
		err = fmt.Errorf("an object of type %T", o)
	}
	return err
}

func createPod(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) error {
	pods := client.CoreV1().Pods(pod.Namespace)
	end := pod.DeletionTimestamp != nil
	pod.DeletionTimestamp = nil
	var created *corev1.Pod
	err := proc.Poll(ctx, "the pod "+pod.Name, func() (err error) { // its namespace has no account at first
		created, err = pods.Create(ctx, pod, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	created.Status = pod.Status
	if _, err := pods.UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil || !end {
		return err
	}
	now := int64(0)
	return pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
}

// hasSlice reports whether the Service has one slice with such endpoints.
func hasSlice(ctx context.Context, client kubernetes.Interface, want *discoveryv1.EndpointSlice) error {
	service := want.Labels[discoveryv1.LabelServiceName]
	list, err := client.DiscoveryV1().EndpointSlices(want.Namespace).List(ctx,
		metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + service})
	if err != nil {
		return err
	}
	if len(list.Items) != 1 || len(list.Items[0].Endpoints) != len(want.Endpoints) {
		return fmt.Errorf("service %q has %d EndpointSlices, or other endpoints", service, len(list.Items))
	}
	for i, e := range list.Items[0].Endpoints {
		if w := want.Endpoints[i]; !slices.Equal(e.Addresses, w.Addresses) ||
			!equality.Semantic.DeepEqual(e.Conditions, w.Conditions) {
			return fmt.Errorf("service %q has endpoint %v %+v, want %v %+v",
				service, e.Addresses, e.Conditions, w.Addresses, w.Conditions)
		}
	}
	return nil
}

// Server is a CoreDNS of a PluginWorld.
type Server struct {
	Addr    string // without the port, 53
	process *proc.Process
}

// StartCoreDNS starts one with the Corefile of a setup on an address of its
// own, and returns without waiting for it to be ready.
func (p *World) StartCoreDNS(s plugincases.Setup, kubeconfig string) (*Server, error) {
	p.mu.Lock()
	addr := p.next.String()
	p.next = p.next.Next()
	p.mu.Unlock()
	w := p.world
	corefile := w.Path("c", addr+".Corefile")
	if err := os.WriteFile(corefile, []byte(s.Corefile(addr, kubeconfig, pluginUpstream)), 0o644); err != nil {
		return nil, err
	}
	child, err := proc.Start("CoreDNS of "+s.Name, w.LogFile("coredns-"+addr), append(w.Env(), "NODE_NAME="+s.Node),
		p.opt.CoreDNS, "-conf", corefile)
	return &Server{Addr: addr, process: child}, err
}

// Ready waits until the server says that it is.
func (s *Server) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return proc.Poll(ctx, s.process.Name+" to be ready", func() error {
		if err := s.process.Ended(); err != nil {
			return err
		}
		if _, err := world.Get(ctx, "http://"+s.Addr+":8181/ready"); err != nil {
			return err
		}
		_, err := world.Ask(ctx, s.Addr, "cluster.local.", dns.TypeSOA) // it may be ready before it listens
		return err
	})
}

// Stop ends the server.
func (s *Server) Stop() error { return s.process.Stop(10 * time.Second) }

// As runs a program as a pod of that namespace does whose DNS server it is.
func (p *World) As(ctx context.Context, s *Server, namespace string, argv ...string) (string, error) {
	w, view := p.world, "pod-"+namespace+"-"+s.Addr
	search := "search " + namespace + ".svc.cluster.local svc.cluster.local cluster.local"
	if err := w.WriteResolv(view, s.Addr, search, "options ndots:5"); err != nil {
		return "", err
	}
	return w.As(ctx, view, argv...)
}

// Log is what the server has logged.
func (p *World) Log(s *Server) string {
	return proc.Tail(p.world.LogFile("coredns-"+s.Addr), 30)
}

// Stop ends the cluster and the upstream.
func (p *World) Stop() error {
	p.stopUpstream()
	if p.member.Cluster == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return p.member.Cluster.Stop(ctx)
}
