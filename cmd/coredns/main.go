// Coredns is CoreDNS with the federation plugin.
package main

import (
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/core/plugin" // all plugins of CoreDNS
	"github.com/coredns/coredns/coremain"

	_ "github.com/federation-dns/federation/plugin/federation"
)

func init() { dnsserver.Directives = withFederation(dnsserver.Directives) }

// withFederation puts our directive where plugin.cfg has to have it: directly
// before k8s_external and kubernetes, below autopath, cache, dnssec and
// loadbalance (Q2).
func withFederation(directives []string) []string {
	at := slices.IndexFunc(directives, func(d string) bool { return d == "k8s_external" || d == "kubernetes" })
	if at < 0 {
		at = len(directives)
	}
	return slices.Insert(slices.Clone(directives), at, "federation")
}

func main() { coremain.Run() }
