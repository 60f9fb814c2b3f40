package federation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/coredns/coredns/plugin/kubernetes"
	"github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/coredns/coredns/request"
	"k8s.io/apimachinery/pkg/runtime"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	core "github.com/federation-dns/federation/federation"
	form "github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/plugin/federation/mirror"
)

// defaultTTL is the limit of all TTLs, unless kubernetes has a lower one: an answer should not outlive a failover
// (Q15).
const defaultTTL = 5

// attach takes what is needed from the kubernetes plugin of the same server block, and checks the configuration against
// it.
func (f *Federation) attach(k *kubernetes.Kubernetes) error {
	without, err := noEndpoints(k)
	if err != nil {
		return err
	}
	if without {
		return errors.New("the kubernetes plugin has the option noendpoints: without endpoints the health of local " +
			"shards is not known, and all traffic would go to other clusters; remove one of the two")
	}
	f.config.kubernetesZones = lowered(k.Zones)
	if err := f.setZones(k); err != nil {
		return err
	}
	if err := f.setFederations(); err != nil {
		return err
	}
	f.setTopology(core.Topology{})
	kubernetesTTL := k.MinTTL(request.Request{}) // the value of its option ttl
	f.ttl = min(defaultTTL, kubernetesTTL)
	if f.config.ttl != nil {
		f.ttl = *f.config.ttl
	}
	f.localTTL = min(f.ttl, kubernetesTTL)
	f.k8s, f.indexes = k, k.APIConn
	f.fallsThrough = len(k.Fall.Zones) > 0
	f.chaser = newChaser(upstream.New())
	f.sources = []source{f.chaser}
	if f.config.mirror != mirrorOff {
		for _, fed := range f.feds {
			fed.mirror = mirror.New(fed.Federation)
		}
		f.sources = []source{newMirrorSource(f.chaser), f.chaser}
	}
	return nil
}

// setZones sets the zones in which names are expanded (Q1).
func (f *Federation) setZones(k *kubernetes.Kubernetes) error {
	forward, err := forwardZones(k)
	if err != nil {
		return err
	}
	names := f.config.zones
	if len(names) == 0 {
		names = forward
	}
	f.zones = nil
	for _, name := range names {
		name = lower(name)
		if !slices.Contains(forward, name) {
			return fmt.Errorf("zone %q is not a forward zone of the kubernetes plugin in this server block, "+
				"which has %q", name, forward)
		}
		f.zones = append(f.zones, zone{name: name, suffix: ".svc." + name})
	}
	return nil
}

// setFederations sets the federations. A level in a zone of the kubernetes plugin would loop back here: if the Corefile
// makes it so, that is an error (N4).
func (f *Federation) setFederations() error {
	f.feds = nil
	for _, c := range f.config.federations {
		fed := &fedState{Federation: c, topLevel: core.TopLevelDomain(c.Name)}
		if global := string(fed.Suffix(fed.Domain)); inZone(global, f.config.kubernetesZones) {
			return fmt.Errorf("federation %q: domain %q lies in a zone of the kubernetes plugin (%q): its records "+
				"would loop back here; a domain outside of these zones is allowed",
				c.Name, c.Domain, f.config.kubernetesZones)
		}
		if t := f.config.topology; t != nil && len(fed.Path(*t)) != len(f.levels(fed, *t)) {
			return fmt.Errorf("federation %q: with this topology a level lies in a zone of the kubernetes plugin "+
				"(%q): it would loop back here; another topology or domain is allowed",
				c.Name, f.config.kubernetesZones)
		}
		if fed.topLevel != "" {
			log.Warningf("federation %q has the name of a %s top-level domain: only names of namespaces that exist "+
				"here are expanded, and the syncer refuses the name; choose another one", c.Name, fed.topLevel)
		}
		f.feds = append(f.feds, fed)
	}
	return nil
}

// start starts what runs beside the queries: it learns the topology, watches for collisions, and reads the mirrors.
// stop ends all of it.
func (f *Federation) start(k *kubernetes.Kubernetes) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	if t := f.config.topology; t != nil {
		f.setTopology(*t)
		f.topologyTried.Store(true)
	} else if last := lastTopology.Load(); last != nil {
		f.setTopology(*last)
	}
	knownTopologies.set(f, *f.topology.Load() != core.Topology{})
	if f.config.topology == nil {
		wg.Go(func() { f.learnTopology(ctx, k.APIConn) })
	}
	wg.Go(func() { f.watchCollisions(ctx) })
	if reader := f.mirrorReader(k); reader != nil {
		wg.Go(func() { reader.Run(ctx) })
	}
	f.stop = func() {
		cancel()
		wg.Wait()
		knownTopologies.remove(f)
	}
}

// mirrorReader returns the reader of the federations' mirrors, or nil if there is none.
func (f *Federation) mirrorReader(k *kubernetes.Kubernetes) *mirror.Reader {
	if f.config.mirror == mirrorOff {
		return nil
	}
	r := &mirror.Reader{Namespace: cmp.Or(f.config.mirror, form.Namespace)}
	for _, fed := range f.feds {
		r.Mirrors = append(r.Mirrors, fed.mirror)
	}
	config, err := clientConfig(k)
	if err == nil {
		r.Cluster = config.Host
		var client *corev1.CoreV1Client
		if client, err = corev1.NewForConfig(config); err == nil {
			r.Client = client.ConfigMaps(r.Namespace)
			return r
		}
	}
	log.Warningf("the mirrors in namespace %q are not read: %v", r.Namespace, err)
	return nil
}

// clientConfig is how the kubernetes plugin reaches its API server, which it does not export.
func clientConfig(k *kubernetes.Kubernetes) (*rest.Config, error) {
	var config *rest.Config
	var err error
	switch {
	case k.ClientConfig != nil:
		config, err = k.ClientConfig.ClientConfig()
	case len(k.APIServerList) == 0:
		config, err = rest.InClusterConfig()
	default:
		config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{},
			&clientcmd.ConfigOverrides{
				ClusterInfo: clientcmdapi.Cluster{Server: k.APIServerList[0], CertificateAuthority: k.APICertAuth},
				AuthInfo:    clientcmdapi.AuthInfo{ClientCertificate: k.APIClientCert, ClientKey: k.APIClientKey},
			}).ClientConfig()
	}
	if err != nil {
		return nil, err
	}
	config = rest.AddUserAgent(rest.CopyConfig(config), "federation-mirror")
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.ContentType = runtime.ContentTypeProtobuf
	return config, nil
}

// forwardZones returns the zones of the kubernetes plugin that hold Services: not its reverse or multicluster zones
// (Q1).
func forwardZones(k *kubernetes.Kubernetes) ([]string, error) {
	multi, err := multiclusterZones(k)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, z := range lowered(k.Zones) {
		if !inZone(z, []string{"in-addr.arpa.", "ip6.arpa."}) && !slices.Contains(multi, z) {
			out = append(out, z)
		}
	}
	return out, nil
}

func lowered(zones []string) []string {
	out := make([]string, len(zones))
	for i, z := range zones {
		out[i] = lower(z)
	}
	return out
}

// The kubernetes plugin does not export its options. They are read by reflection, here and nowhere else; a test pins
// the names for the version in go.mod. If another version keeps them elsewhere, CoreDNS does not start, rather than
// send all traffic to other clusters (Q12).

func option(k *kubernetes.Kubernetes, name string, kind reflect.Kind) (reflect.Value, error) {
	opts := reflect.ValueOf(k).Elem().FieldByName("opts")
	if opts.Kind() == reflect.Struct {
		if v := opts.FieldByName(name); v.IsValid() && v.Kind() == kind {
			return v, nil
		}
	}
	return reflect.Value{}, fmt.Errorf("the kubernetes plugin of this CoreDNS has no option field %q that can be "+
		"read: use a version of CoreDNS that docs/plugin.md lists", name)
}

func noEndpoints(k *kubernetes.Kubernetes) (bool, error) {
	v, err := option(k, "initEndpointsCache", reflect.Bool)
	if err != nil {
		return false, err
	}
	return !v.Bool(), nil
}

func multiclusterZones(k *kubernetes.Kubernetes) ([]string, error) {
	v, err := option(k, "multiclusterZones", reflect.Slice)
	if err != nil {
		return nil, err
	}
	out := make([]string, v.Len())
	for i := range out {
		out[i] = lower(v.Index(i).String())
	}
	return out, nil
}
