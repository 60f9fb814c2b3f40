package corednscheck

import (
	"context"
	"slices"
	"time"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/check/corefile"
)

const (
	// forwardWindow is how long the answers are counted.
	forwardWindow = 2 * time.Second
	// servfailShare is the share of SERVFAIL that is too much.
	servfailShare = 0.1
)

// resolving are the plugins that give questions an answer from elsewhere, besides forward.
var resolving = []string{"auto", "azure", "clouddns", "etcd", "file", "grpc", "route53", "secondary", "template"}

// forward looks for the way to each federation's domain, and at how the plugin has answered lately.
func forward(ctx context.Context, v *view) []check.Finding {
	servers := v.facts.withPlugin()
	if len(servers) == 0 {
		return inapplicable(v)
	}
	found := make([]chan check.Finding, len(servers))
	for i, s := range servers {
		found[i] = make(chan check.Finding, 1)
		go func() { found[i] <- s.forward(ctx, v) }()
	}
	var findings []check.Finding
	for i := range servers {
		findings = append(findings, <-found[i])
	}
	return findings
}

func (s *server) forward(ctx context.Context, v *view) check.Finding {
	member := v.member
	if domain := s.noWay(v.federations); domain != "" {
		return check.Bad(member, "%s: its Corefile has no way to %s", s, domain).
			With("in the server block of the Corefile: forward %s SERVERS", domain)
	}
	first, err := s.answers(ctx, v.client)
	if err != nil {
		return check.Untested(member, err)
	}
	timer := time.NewTimer(forwardWindow)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return check.Untested(member, ctx.Err())
	case <-timer.C:
	}
	last, err := s.answers(ctx, v.client)
	if err != nil {
		return check.Untested(member, err)
	}
	all, servfail := last.all-first.all, last.servfail-first.servfail
	switch {
	case all <= 0: // or it has been restarted
		return check.Good(member, "%s: no federated name was asked for within %v", s, forwardWindow)
	case servfail > all*servfailShare:
		return check.Bad(member, "%s: %.0f of %.0f answers within %v are SERVFAIL: the domain's servers do not answer",
			s, servfail, all, forwardWindow)
	}
	return check.Good(member, "%s: %.0f of %.0f answers within %v are SERVFAIL", s, servfail, all, forwardWindow)
}

// noWay returns the domain of a federation that the server does not resolve; "" if there is none. What has no DNS
// provider is answered from the mirror.
func (s *server) noWay(feds []admin.FederationStatus) string {
	for i := range s.file.Servers {
		block := &s.file.Servers[i]
		directive := block.Federation()
		if directive == nil || slices.ContainsFunc(block.All("federation"), func(p *corefile.Plugin) bool {
			return corefile.HasOption(p, "no_chase") // the client's resolver follows the CNAME
		}) {
			continue
		}
		for _, domain := range directive.Domains {
			known := slices.ContainsFunc(feds, func(f admin.FederationStatus) bool {
				return f.Domain == domain && !f.NoProvider
			})
			if known && !s.resolves(domain, block.Keys[0].Port) {
				return domain
			}
		}
	}
	return ""
}

// resolves reports whether the Corefile says where a name outside the cluster is looked up.
func (s *server) resolves(name, port string) bool {
	if len(s.file.Unseen) > 0 { // what it imports may
		return true
	}
	block := s.file.Route(name, port)
	return block != nil && (len(block.Forwards(name)) > 0 || slices.ContainsFunc(resolving, block.Has))
}

// answers adds the counters of all replicas.
func (s *server) answers(ctx context.Context, c *check.Client) (sum answers, err error) {
	replicas, err := s.scrapeAll(ctx, c)
	if err != nil {
		return sum, err
	}
	for _, m := range replicas {
		a := m.answers()
		sum.all += a.all
		sum.servfail += a.servfail
	}
	return sum, nil
}
