package federation

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin"
)

// neighbours looks at the plugins of this server block and of the others: at
// those whose answers to a lookup depend on who asks (Q8a, Q8c), and at those
// that answer for the federation's domain instead of the servers of its records.
func (f *Federation) neighbours(c caddy.Context, handler func(name string) plugin.Handler) {
	if why := differing(c); why != "" {
		f.chaser.perClient = true
		log.Infof("%s: each question that leads to other clusters is looked up by itself, and no denial is kept", why)
	}
	for _, fed := range f.feds {
		global := string(fed.Suffix(fed.Domain))
		if zone := shadow(handler("k8s_external"), global); zone != "" {
			log.Warningf("federation %q: k8s_external in this server block answers for zone %q, in which the federation's "+
				"records are, and denies them; choose another zone for it, or another server block", fed.Name, zone)
		}
	}
}

// sharable are the plugins whose answers depend on nothing but what is in a
// lookupKey. Views, access lists, templates and what is not known are not among
// them.
var sharable = words(`any auto autopath azure bind bufsize cache cancel chaos clouddns debug dns64 dnssec dnstap dynupdate
	errors etcd federation file forward grpc header health hosts k8s_external kubernetes loadbalance local log loop metadata
	minimal nomad nsid pprof prometheus ready reload rewrite root route53 secondary shed sign timeouts tls trace transfer tsig`)

func words(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(s) {
		out[w] = true
	}
	return out
}

// differing says which plugin of any server block may answer one client
// otherwise than another; "" if there is none. A lookup may go through any of
// the blocks. Their plugins are not exported: a version in which they are not
// found counts as one that has such a plugin.
func differing(c caddy.Context) string {
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
		for all := plugins.MapRange(); all.Next(); {
			name := all.Key().String()
			if !sharable[name] || name == "rewrite" && rewritesByClient(all.Value()) {
				return fmt.Sprintf("plugin %s in server block %q may answer each client differently", name, config.FieldByName("Zone").String())
			}
		}
	}
	return ""
}

// rewritesByClient reports whether the rewrite plugin has rules about EDNS
// options or metadata, which may hold the client's address.
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

// shadow is the zone of k8s_external that the name lies in, "" if there is none.
// The plugin may not be in this build: its type is not named here.
func shadow(external plugin.Handler, name string) string {
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
