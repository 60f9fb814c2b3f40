package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	cliflag "k8s.io/component-base/cli/flag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kcmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
)

// startEtcd runs etcd on Unix sockets in the cluster's folder, so that a cluster needs exactly one TCP port. Its files
// are not synced to disk: they survive a crash of the process, but not of the machine.
func startEtcd(o options) (*embed.Etcd, error) {
	cfg := embed.NewConfig()
	cfg.Dir = o.file("etcd")
	cfg.UnsafeNoFsync = true
	cfg.TickMs, cfg.ElectionMs = 50, 500
	cfg.LogLevel = "warn"
	cfg.LogOutputs = []string{o.file("etcd.log")}
	for socket, urls := range map[string]struct{ listen, advertise *[]url.URL }{
		"etcd.sock": {&cfg.ListenClientUrls, &cfg.AdvertiseClientUrls},
		"peer.sock": {&cfg.ListenPeerUrls, &cfg.AdvertisePeerUrls},
	} {
		// A process that was killed leaves its sockets behind.
		if err := os.Remove(o.socket(socket)); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		*urls.listen = []url.URL{{Scheme: "unix", Path: o.socket(socket)}}
		// Nobody else asks for the only member; etcd before 3.7 wants a host and a port here, even of a socket.
		*urls.advertise = []url.URL{{Scheme: "unix", Host: "localhost:0", Path: o.socket(socket)}}
	}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case err := <-etcd.Err():
		return nil, err
	case <-time.After(startTimeout):
		etcd.Close()
		return nil, fmt.Errorf("not ready after %s", startTimeout)
	}
}

// runAPIServer runs kube-apiserver with the flags an administrator would set.
func runAPIServer(ctx context.Context, o options) error {
	s := apiserveroptions.NewServerRunOptions()
	args := []string{
		"--etcd-servers=unix://" + o.socket("etcd.sock"),
		"--bind-address=" + o.addr, "--secure-port=" + fmt.Sprint(o.port), "--advertise-address=" + o.addr,
		"--endpoint-reconciler-type=none", // a loopback address is not allowed in an EndpointSlice
		"--authorization-mode=Node,RBAC", "--anonymous-auth=true",
		"--client-ca-file=" + o.file("pki", "ca.crt"), "--token-auth-file=" + o.file("pki", "tokens.csv"),
		"--tls-cert-file=" + o.file("pki", "serving.crt"), "--tls-private-key-file=" + o.file("pki", "serving.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + o.file("pki", "sa.pub"),
		"--service-account-signing-key-file=" + o.file("pki", "sa.key"),
		"--service-cluster-ip-range=" + prefixList(o.serviceCIDRs),
		"--shutdown-delay-duration=0s", "--watch-cache=true", "--profiling=false",
	}
	if err := parse(s.Flags(), append(args, o.apiserverArgs...)); err != nil {
		return err
	}
	if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	s.SecureServing.Listener = o.listener
	completed, err := s.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return errs[0]
	}
	return apiserver.Run(ctx, completed)
}

// runControllers runs kube-controller-manager with the chosen controllers.
func runControllers(ctx context.Context, o options) error {
	s, err := kcmoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	args := []string{
		"--kubeconfig=" + o.file("kubeconfig"), "--controllers=" + o.controllers,
		"--leader-elect=false", "--secure-port=0", "--use-service-account-credentials=false",
		"--service-account-private-key-file=" + o.file("pki", "sa.key"), "--root-ca-file=" + o.file("pki", "ca.crt"),
		"--service-cluster-ip-range=" + prefixList(o.serviceCIDRs), "--allocate-node-cidrs=false",
		"--kube-api-qps=500", "--kube-api-burst=1000",
		// Without a batch period, the second of two pod changes in quick succession finds the controller's cache stale,
		// and is retried only after a second.
		"--endpointslice-updates-batch-period=50ms", "--endpoint-updates-batch-period=50ms",
	}
	known, disabled, aliases := kcm.KnownControllers(), kcm.ControllersDisabledByDefault(), kcm.ControllerAliases()
	if err := parse(s.Flags(known, disabled, aliases), append(args, o.kcmArgs...)); err != nil {
		return err
	}
	if err := s.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	c, err := s.Config(ctx, known, disabled, aliases)
	if err != nil {
		return err
	}
	return kcm.Run(ctx, c.Complete())
}

func parse(sets cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		all.AddFlagSet(set)
	}
	return all.Parse(args)
}
