package federation

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
)

// checkNeighbours looks for plugins that change what we may do. In any server block: those whose answer to a lookup
// depends on the client (Q8a, Q8c). In this one: those that answer for the federation's domain instead of its servers.
func (f *Federation) checkNeighbours(c caddy.Context, handler func(name string) plugin.Handler) {
	if reason := perClient(c); reason != "" {
		f.chaser.perClient = true
		log.Infof("%s: lookups of other clusters' records are not shared, and denials are not kept", reason)
	}
	for _, fed := range f.feds {
		global := string(fed.Suffix(fed.Domain))
		if zone := shadowingZone(handler("k8s_external"), global); zone != "" {
			log.Warningf("federation %q: k8s_external in this server block answers for zone %q, which contains the "+
				"federation's records, and denies them; use another zone for it, or another server block",
				fed.Name, zone)
		}
	}
}

// sameForAll are the plugins whose answers depend on nothing but what is in a lookupKey. Views, access lists, templates
// and unknown plugins are not among them.
var sameForAll = set(`any auto autopath azure bind bufsize cache cancel chaos clouddns debug dns64 dnssec dnstap
	dynupdate errors etcd federation file forward grpc header health hosts k8s_external kubernetes loadbalance local log
	loop metadata minimal nomad nsid pprof prometheus ready reload rewrite root route53 secondary shed sign timeouts tls
	trace transfer tsig`)

func set(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}

// perClient names a plugin, of any server block, that may answer one client otherwise than another, or returns "". A
// lookup may go through any of the blocks. Their plugins are not exported: if this version of CoreDNS keeps them
// elsewhere, that counts as such a plugin.
func perClient(c caddy.Context) string {
	configs := reflect.Indirect(reflect.ValueOf(c)).FieldByName("configs")
	if !configs.IsValid() || configs.Kind() != reflect.Slice {
		return "the server blocks of this version of CoreDNS cannot be read"
	}
	for i := range configs.Len() {
		config := reflect.Indirect(configs.Index(i))
		plugins := config.FieldByName("registry")
		if plugins.Kind() != reflect.Map {
			return "the plugins of this version of CoreDNS cannot be read"
		}
		for iter := plugins.MapRange(); iter.Next(); {
			name := iter.Key().String()
			if !sameForAll[name] || name == "rewrite" && rewritesByClient(iter.Value()) {
				return fmt.Sprintf("plugin %s in server block %q may answer each client differently",
					name, config.FieldByName("Zone").String())
			}
		}
	}
	return ""
}

// rewritesByClient reports whether the rewrite plugin has rules for EDNS options or metadata, which may hold the
// client's address.
func rewritesByClient(handler reflect.Value) bool {
	rules := reflect.Indirect(handler.Elem()).FieldByName("Rules")
	if rules.Kind() != reflect.Slice {
		return true
	}
	for i := range rules.Len() {
		kind := strings.ToLower(rules.Index(i).Elem().Type().String())
		if strings.Contains(kind, "edns0") || strings.Contains(kind, "metadata") {
			return true
		}
	}
	return false
}

// shadowingZone returns the zone of k8s_external that the name lies in, or "". Reflection is used since that plugin
// need not be in this build.
func shadowingZone(external plugin.Handler, name string) string {
	if external == nil {
		return ""
	}
	zones := reflect.Indirect(reflect.ValueOf(external)).FieldByName("Zones")
	if zones.Kind() != reflect.Slice {
		return ""
	}
	for i := range zones.Len() {
		if z := lower(zones.Index(i).String()); inZone(name, []string{z}) {
			return z
		}
	}
	return ""
}
