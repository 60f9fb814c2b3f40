package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// options are the flags of a cluster.
type options struct {
	dir           string
	name          string
	addr          string
	port          int
	listener      net.Listener // on the port that was picked, so that no other process takes it meanwhile
	nodes         int
	region        string
	zones         []string
	podCIDRs      []netip.Prefix
	serviceCIDRs  []netip.Prefix
	lbCIDRs       []netip.Prefix
	controllers   string
	apiserverArgs []string
	kcmArgs       []string
}

// defaultControllers are those that federated Services and their tests need.
const defaultControllers = "endpointslice-controller,endpointslice-mirroring-controller,endpoints-controller," +
	"namespace-controller,garbage-collector-controller,serviceaccount-controller,serviceaccount-token-controller," +
	"legacy-serviceaccount-token-cleaner-controller,root-ca-certificate-publisher-controller," +
	"deployment-controller,replicaset-controller,statefulset-controller"

// maxSocketPath is the maximum length of a Unix socket's path (sockaddr_un).
const maxSocketPath = 107

func parseFlags(args []string) (options, error) {
	var o options
	var pods, services, lbs string
	f := pflag.NewFlagSet("testcluster", pflag.ContinueOnError)
	f.StringVar(&o.dir, "dir", "", "folder of the cluster (required); keep it short, it contains sockets")
	f.StringVar(&o.name, "name", "cluster", "name of the cluster, which the pods return")
	f.StringVar(&o.addr, "addr", "127.0.0.1", "address of the API server")
	f.IntVar(&o.port, "port", 0, "port of the API server; 0 picks one and keeps it in DIR/port")
	f.IntVar(&o.nodes, "nodes", 2, "number of simulated Nodes; 0 runs no scheduler and kubelet")
	f.StringVar(&o.region, "region", "", "topology.kubernetes.io/region of the Nodes")
	f.StringSliceVar(&o.zones, "zone", nil, "topology.kubernetes.io/zone of the Nodes; several are spread over them")
	f.StringVar(&pods, "pod-cidr", "10.1.0.0/16", "pod addresses, one prefix or IPv4,IPv6; they must be bindable")
	f.StringVar(&services, "service-cidr", "10.101.0.0/16", "ClusterIPs, one prefix or IPv4,IPv6")
	f.StringVar(&lbs, "lb-cidr", "",
		"addresses of the cloud load balancer, one prefix or IPv4,IPv6; none: no load balancer")
	f.StringVar(&o.controllers, "controllers", defaultControllers, "controllers of kube-controller-manager")
	f.StringArrayVar(&o.apiserverArgs, "apiserver-arg", nil, "further flag of kube-apiserver, such as --v=4")
	f.StringArrayVar(&o.kcmArgs, "kcm-arg", nil, "further flag of kube-controller-manager")
	f.Usage = func() { fmt.Fprint(os.Stderr, usage, f.FlagUsages()) }
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q (testcluster --help)", f.Arg(0))
	}
	if o.dir == "" {
		return o, fmt.Errorf("--dir is required (testcluster --help)")
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return o, err
	}
	o.dir = dir
	if longest := len(o.socket("etcd.sock")) + 1; longest > maxSocketPath {
		return o, fmt.Errorf("--dir %q is too long: a socket in it would have %d characters, at most %d are allowed",
			o.dir, longest, maxSocketPath)
	}
	for _, p := range []struct {
		flag, value string
		into        *[]netip.Prefix
	}{{"pod-cidr", pods, &o.podCIDRs}, {"service-cidr", services, &o.serviceCIDRs}, {"lb-cidr", lbs, &o.lbCIDRs}} {
		if *p.into, err = parsePrefixes(p.value); err != nil {
			return o, fmt.Errorf("--%s %q: %w", p.flag, p.value, err)
		}
	}
	return o, nil
}

func (o options) socket(name string) string { return filepath.Join(o.dir, name) }

func (o options) file(elem ...string) string {
	return filepath.Join(append([]string{o.dir}, elem...)...)
}

func parsePrefixes(s string) ([]netip.Prefix, error) {
	if s == "" {
		return nil, nil
	}
	var out []netip.Prefix
	for part := range strings.SplitSeq(s, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		out = append(out, p.Masked())
	}
	if len(out) > 2 || len(out) == 2 && out[0].Addr().Is4() == out[1].Addr().Is4() {
		return nil, fmt.Errorf("want one prefix, or one of IPv4 and one of IPv6")
	}
	return out, nil
}

func prefixList(prefixes []netip.Prefix) string {
	s := make([]string, len(prefixes))
	for i, p := range prefixes {
		s[i] = p.String()
	}
	return strings.Join(s, ",")
}
