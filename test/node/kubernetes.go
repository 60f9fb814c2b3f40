package node

import (
	"context"
	"fmt"
	"os"
)

// The kubelet asks nobody who its callers are: it listens in the private namespace. No image is ever removed, and no
// pod evicted, for what the disk of the machine holds.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[1]s
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /%[2]s
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
makeIPTablesUtilChains: false
containerRuntimeEndpoint: unix://%[3]s
clusterDNS: [%[4]s]
clusterDomain: cluster.local
resolvConf: %[5]s/resolv.conf
volumePluginDir: %[5]s/plugins
podLogsDir: %[5]s/pods
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 1Mi}
`

func (n *Node) startKubelet(context.Context) error {
	config := fmt.Sprintf(kubeletConfig, n.opt.Address, string(n.cgroups), containerdSocket, n.opt.ClusterDNS,
		n.opt.Dir)
	for path, text := range map[string]string{n.path("kubelet.yaml"): config, n.path("resolv.conf"): n.opt.Resolv} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	labels := fmt.Sprintf("topology.kubernetes.io/region=%s,topology.kubernetes.io/zone=%s", n.opt.Region, n.opt.Zone)
	return n.run(&n.kubelet, "kubelet", n.opt.Programs.Kubelet, "--config="+n.path("kubelet.yaml"),
		"--kubeconfig="+n.opt.Cluster.Kubeconfig(), "--root-dir="+n.path("kubelet"), "--cert-dir="+n.path("pki"),
		"--hostname-override="+n.opt.Name, "--node-ip="+n.opt.Address.String(), "--node-labels="+labels)
}

// The limits of conntrack are the machine's: a private network namespace cannot set them.
const proxyConfig = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {kubeconfig: %[1]s}
hostnameOverride: %[2]s
clusterCIDR: %[3]s
bindAddress: 127.0.0.1
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nftables: {minSyncPeriod: 50ms}
`

func (n *Node) startProxy(context.Context) error {
	config := fmt.Sprintf(proxyConfig, n.opt.Cluster.Kubeconfig(), n.opt.Name, n.opt.PodCIDR)
	if err := os.WriteFile(n.path("kube-proxy.yaml"), []byte(config), 0o644); err != nil {
		return err
	}
	return n.run(&n.proxy, "kube-proxy", n.opt.Programs.Proxy, "--config="+n.path("kube-proxy.yaml"))
}

func (n *Node) startScheduler(context.Context) error {
	kubeconfig := n.opt.Cluster.Kubeconfig()
	return n.run(&n.scheduler, "kube-scheduler", n.opt.Programs.Scheduler, "--kubeconfig="+kubeconfig,
		"--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--leader-elect=false", "--bind-address=127.0.0.1")
}
