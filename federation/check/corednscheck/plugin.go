package corednscheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
)

// noPlugin is what is known if no Corefile of the member has the plugin.
func noPlugin(member string, f *facts) check.Finding {
	if err := f.unknown(); err != nil {
		return check.Untested(member, err)
	}
	var names []string
	for _, s := range f.servers {
		if s.file != nil && !s.nodeLocal {
			names = append(names, s.String())
		}
	}
	if len(names) == 0 {
		return check.Bad(member, "no CoreDNS with the plugin was found in the cluster")
	}
	return check.Bad(member, "no CoreDNS has federation in its Corefile: %s", strings.Join(names, ", "))
}

// inapplicable are the findings of all other checks then: only plugin-loaded reports that there is no plugin.
func inapplicable(v *view) []check.Finding {
	if err := v.facts.unknown(); err != nil {
		return check.One(check.Untested(v.member, err))
	}
	return nil
}

// loaded looks at what each replica says that it runs.
func loaded(ctx context.Context, v *view) []check.Finding {
	servers := v.facts.withPlugin()
	if len(servers) == 0 {
		return check.One(noPlugin(v.member, v.facts))
	}
	var findings []check.Finding
	for _, s := range servers {
		findings = append(findings, s.loaded(ctx, v.client, v.member))
	}
	return findings
}

func (s *server) loaded(ctx context.Context, c *check.Client, member string) check.Finding {
	replicas, err := s.scrapeAll(ctx, c)
	var without []string
	for pod, m := range replicas {
		if !m.hasPlugin() {
			without = append(without, pod)
		}
	}
	slices.Sort(without)
	switch {
	case len(without) > 0:
		return check.Bad(member, "%s: %d of %d replicas run without the plugin: %s", s, len(without), len(s.pods),
			strings.Join(without, ", "))
	case err != nil:
		return check.Untested(member, err)
	}
	return check.Good(member, "%s: %d of %d replicas", s, len(s.pods), len(s.pods))
}

// scrapeAll reads the metrics of each replica at once; the error is the first, and the others are there all the same.
func (s *server) scrapeAll(ctx context.Context, c *check.Client) (map[string]metrics, error) {
	if s.podsErr != nil {
		return nil, s.podsErr
	}
	if len(s.pods) == 0 {
		return nil, fmt.Errorf("%s: no replica runs (kubectl -n %s get pods)", s, s.namespace)
	}
	type result struct {
		m   metrics
		err error
	}
	results := make([]chan result, len(s.pods))
	for i, pod := range s.pods {
		results[i] = make(chan result, 1)
		go func() {
			m, err := s.scrape(ctx, c, pod)
			results[i] <- result{m, err}
		}()
	}
	all := map[string]metrics{}
	var first error
	for i, pod := range s.pods {
		r := <-results[i]
		switch {
		case r.err == nil:
			all[pod] = r.m
		case first == nil:
			first = fmt.Errorf("%s: %w", s, r.err)
		}
	}
	return all, first
}

// naming compares the Corefiles with the federations of the syncer.
func naming(_ context.Context, v *view) []check.Finding {
	servers := v.facts.withPlugin()
	if len(servers) == 0 {
		return inapplicable(v)
	}
	var findings []check.Finding
	for _, s := range servers {
		before := len(findings)
		for i := range v.federations {
			findings = append(findings, s.naming(v.member, &v.federations[i], v.federations)...)
		}
		if len(findings) == before {
			findings = append(findings, check.Good(v.member, "%s: as the syncer's", s))
		}
	}
	return findings
}

func (s *server) naming(member string, fed *admin.FederationStatus, all []admin.FederationStatus) []check.Finding {
	domains := []string{}
	for i := range all {
		if all[i].Name == fed.Name {
			domains = append(domains, all[i].Domain)
		}
	}
	for _, d := range s.directives() {
		switch domain, ok := d.Domains[fed.Name]; {
		case !ok:
			continue
		case !slices.Contains(domains, domain):
			return check.One(check.Bad(member, "%s: the domain of %s is %s, and the syncer's is %s",
				s, fed.Name, domain, fed.Domain).
				With("in the block federation of the Corefile: %s %s", fed.Name, fed.Domain))
		case domain == fed.Domain && d.Naming != fed.Naming:
			return check.One(check.Bad(member, "%s: naming of %s is %s, and the syncer's is %s", s, fed.Name, d.Naming,
				fed.Naming).With("in the block federation of the Corefile: naming %s", fed.Naming))
		}
		return nil
	}
	if len(s.file.Unseen) > 0 {
		return check.One(check.Untested(member, fmt.Errorf("%s: %s may be in what its Corefile imports: %s",
			s, fed.Name, strings.Join(s.file.Unseen, ", "))))
	}
	return check.One(check.Bad(member, "%s: %s is not in the Corefile", s, fed.Name).
		With("in the block federation of the Corefile: %s %s", fed.Name, fed.Domain))
}

// order looks at the server blocks of the plugin.
func order(_ context.Context, v *view) []check.Finding {
	servers := v.facts.withPlugin()
	if len(servers) == 0 {
		return inapplicable(v)
	}
	var findings []check.Finding
	for _, s := range servers {
		bad := s.misplaced()
		if bad == "" {
			findings = append(findings, check.Good(v.member, "%s", s))
			continue
		}
		findings = append(findings, check.Bad(v.member, "%s: %s", s, bad))
	}
	return findings
}

// misplaced says what is wrong with a server block of the plugin; "" if nothing is.
func (s *server) misplaced() string {
	for i := range s.file.Servers {
		block := &s.file.Servers[i]
		if !block.Has("federation") {
			continue
		}
		kubernetes := block.All("kubernetes")
		if len(kubernetes) == 0 {
			return fmt.Sprintf("the server block %s has federation and no kubernetes", block)
		}
		for _, o := range kubernetes[0].Options {
			if o.Name == "noendpoints" {
				return fmt.Sprintf("kubernetes in the server block %s has noendpoints: health is not known", block)
			}
		}
	}
	return ""
}
