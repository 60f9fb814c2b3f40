package corednscheck

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/check/corefile"
)

// The labels by which the DNS of a cluster is found.
const (
	dnsSelector       = "k8s-app in (kube-dns,coredns)" // every platform's, and CoreDNS's own chart
	besideSelector    = "app.kubernetes.io/name=federation-dns"
	nodeLocalSelector = "k8s-app=node-local-dns"
	openshiftSelector = "dns.operator.openshift.io/owning-dns"
)

// server is a Deployment or DaemonSet that answers DNS questions.
type server struct {
	namespace, name string
	beside          bool // by the chart federation-dns
	nodeLocal       bool
	account         string // the ServiceAccount of its pods
	// file is its Corefile; nil if it is no CoreDNS, or if fileErr says why it is not known.
	file     *corefile.File
	fileErr  error
	pods     []string // those that run
	podsErr  error
	selector labels.Selector
}

func (s *server) String() string { return s.namespace + "/" + s.name }

// directives are the directives federation of its Corefile.
func (s *server) directives() (out []*corefile.Federation) {
	if s.file == nil {
		return nil
	}
	for i := range s.file.Servers {
		if f := s.file.Servers[i].Federation(); f != nil {
			out = append(out, f)
		}
	}
	return out
}

// facts are what a member says of its DNS.
type facts struct {
	servers []*server
	// beside are the addresses of the Services of the chart federation-dns.
	beside    []string
	besideErr error
	// stubs are the stub domains of kube-dns, each with its servers.
	stubs    map[string][]string
	stubsErr error
}

// withPlugin are the servers whose Corefile has the plugin.
func (f *facts) withPlugin() (out []*server) {
	for _, s := range f.servers {
		if len(s.directives()) > 0 && !s.nodeLocal {
			out = append(out, s)
		}
	}
	return out
}

// unknown returns why there may be more servers with the plugin than withPlugin has; nil if there are none.
func (f *facts) unknown() error {
	for _, s := range f.servers {
		if s.fileErr != nil && !s.nodeLocal {
			return s.fileErr
		}
	}
	return nil
}

// observer reads the facts of each member once.
type observer struct {
	mu     sync.Mutex
	byName map[*check.Member]func() (*facts, error)
}

// of returns the facts of the member, by the user's own rights there.
func (o *observer) of(ctx context.Context, m *check.Member) (*facts, error) {
	o.mu.Lock()
	if o.byName == nil {
		o.byName = map[*check.Member]func() (*facts, error){}
	}
	read := o.byName[m]
	if read == nil {
		read = sync.OnceValues(func() (*facts, error) {
			c, err := m.OwnClient(ctx)
			if err != nil {
				return nil, err
			}
			return observe(ctx, c)
		})
		o.byName[m] = read
	}
	o.mu.Unlock()
	return read()
}

// observe reads what the member's API server has of its DNS, with as few round trips as there can be: three.
func observe(ctx context.Context, c *check.Client) (*facts, error) {
	f := &facts{}
	if err := f.workloads(ctx, c); err != nil {
		return nil, err
	}
	var wait sync.WaitGroup
	for _, s := range f.servers {
		wait.Go(func() { s.podsErr = s.listPods(ctx, c) })
	}
	wait.Go(func() { f.beside, f.besideErr = besideAddresses(ctx, c) })
	wait.Go(func() { f.stubs, f.stubsErr = stubDomains(ctx, c) })
	wait.Wait()
	return f, nil
}

// besideAddresses reads those of the Services of the chart federation-dns.
func besideAddresses(ctx context.Context, c *check.Client) (addresses []string, err error) {
	list, err := c.CoreV1().Services("").List(ctx, metav1.ListOptions{LabelSelector: besideSelector})
	if err != nil {
		return nil, fmt.Errorf("the Services of the chart: %w", err)
	}
	for _, s := range list.Items {
		addresses = append(addresses, s.Spec.ClusterIPs...)
	}
	return addresses, nil
}

// workloads finds the servers, and reads their Corefiles.
func (f *facts) workloads(ctx context.Context, c *check.Client) error {
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	add := func(o *metav1.ObjectMeta, selector *metav1.LabelSelector, template *corev1.PodTemplateSpec) error {
		s := &server{namespace: o.Namespace, name: o.Name, account: template.Spec.ServiceAccountName,
			beside:    o.Labels["app.kubernetes.io/name"] == "federation-dns",
			nodeLocal: o.Labels["k8s-app"] == "node-local-dns"}
		if s.account == "" {
			s.account = "default"
		}
		var err error
		if s.selector, err = metav1.LabelSelectorAsSelector(selector); err != nil {
			return err
		}
		s.file, s.fileErr = readCorefile(gctx, c, o.Namespace, &template.Spec)
		mu.Lock()
		defer mu.Unlock()
		f.servers = append(f.servers, s)
		return nil
	}
	for _, selector := range []string{dnsSelector, besideSelector} {
		g.Go(func() error {
			list, err := c.AppsV1().Deployments("").List(gctx, metav1.ListOptions{LabelSelector: selector})
			if err != nil {
				return fmt.Errorf("the Deployment of the DNS: %w", err)
			}
			for i := range list.Items {
				o := &list.Items[i]
				g.Go(func() error { return add(&o.ObjectMeta, o.Spec.Selector, &o.Spec.Template) })
			}
			return nil
		})
	}
	for _, selector := range []string{dnsSelector, nodeLocalSelector, openshiftSelector} {
		g.Go(func() error {
			list, err := c.AppsV1().DaemonSets("").List(gctx, metav1.ListOptions{LabelSelector: selector})
			if err != nil {
				return fmt.Errorf("the DaemonSet of the DNS: %w", err)
			}
			for i := range list.Items {
				o := &list.Items[i]
				g.Go(func() error { return add(&o.ObjectMeta, o.Spec.Selector, &o.Spec.Template) })
			}
			return nil
		})
	}
	err := g.Wait()
	slices.SortFunc(f.servers, func(a, b *server) int { return strings.Compare(a.String(), b.String()) })
	return err
}

func (s *server) listPods(ctx context.Context, c *check.Client) error {
	list, err := c.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: s.selector.String()})
	if err != nil {
		return fmt.Errorf("the pods of %s: %w", s, err)
	}
	for _, p := range list.Items {
		if p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
			s.pods = append(s.pods, p.Name)
		}
	}
	return nil
}

// stubDomains reads those of kube-dns, if there are any.
func stubDomains(ctx context.Context, c *check.Client) (map[string][]string, error) {
	m, err := c.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "kube-dns", metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("ConfigMap kube-dns: %w", err)
	case m.Data["stubDomains"] == "":
		return nil, nil
	}
	var stubs map[string][]string
	if err := json.Unmarshal([]byte(m.Data["stubDomains"]), &stubs); err != nil {
		return nil, fmt.Errorf("ConfigMap kube-system/kube-dns: stubDomains: %w", err)
	}
	return stubs, nil
}
