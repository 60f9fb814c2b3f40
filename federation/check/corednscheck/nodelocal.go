package corednscheck

import (
	"context"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation/check"
)

// maxNegative is for how many seconds NodeLocal DNS may keep denials.
const maxNegative = 5

// nodeLocal looks at how long NodeLocal DNS keeps that a name does not exist.
func nodeLocal(_ context.Context, v *view) []check.Finding {
	member, f := v.member, v.facts
	var findings []check.Finding
	for _, s := range f.servers {
		switch {
		case !s.nodeLocal:
			continue
		case s.fileErr != nil:
			return check.One(check.Untested(member, s.fileErr))
		case s.file == nil:
			continue
		}
		worst, zone := 0, ""
		for _, z := range f.zones() {
			if block := s.file.Route("svc."+z, "53"); block != nil {
				if seconds, ok := block.DenialTTL("svc." + z); ok && seconds > worst {
					worst, zone = seconds, z
				}
			}
		}
		if worst > maxNegative {
			findings = append(findings, check.Bad(member, "%s: cache keeps denials of names in %s for %d s: "+
				"a name is missed for that long after its first shard is there",
				s, strings.TrimSuffix(zone, "."), worst))
			continue
		}
		findings = append(findings, check.Good(member, "%s: %d s", s, worst))
	}
	return findings
}

// zones are the cluster zones of the plugin.
func (f *facts) zones() (zones []string) {
	for _, s := range f.withPlugin() {
		for _, d := range s.directives() {
			for _, z := range d.Zones {
				if !slices.Contains(zones, z) {
					zones = append(zones, z)
				}
			}
		}
	}
	if len(zones) == 0 {
		return []string{"cluster.local."}
	}
	return zones
}
