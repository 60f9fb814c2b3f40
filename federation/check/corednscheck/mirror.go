package corednscheck

import (
	"context"
	"slices"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/check/corefile"
)

// mirrorReadable asks the API server whether each CoreDNS may read the mirror.
func mirrorReadable(ctx context.Context, v *view) []check.Finding {
	only, has := v.mirrors()
	if !has {
		return nil
	}
	servers := v.facts.withPlugin()
	if len(servers) == 0 {
		return inapplicable(v)
	}
	var findings []check.Finding
	for _, s := range servers {
		findings = append(findings, s.readsMirror(ctx, v.client, v.member, only))
	}
	return findings
}

// mirrors reports whether the member has a mirror of a federation, and whether one of these has nothing else (M7).
func (v *view) mirrors() (only, has bool) {
	for _, f := range v.federations {
		if slices.ContainsFunc(f.Members, func(m admin.MemberStatus) bool {
			return m.Name == v.member && m.Mirror != nil
		}) {
			has, only = true, only || f.NoProvider
		}
	}
	return only, has
}

func (s *server) readsMirror(ctx context.Context, c *check.Client, member string, only bool) check.Finding {
	bad := check.Doubt
	if only {
		bad = check.Bad
	}
	user := s.user()
	for _, d := range s.directives() {
		if d.Mirror == corefile.MirrorOff {
			return bad(member, "%s: its Corefile says mirror off, and the mirror is not used", s).
				With("in the Corefile, take mirror off out of the directive federation: docs/mirror.md")
		}
		for _, verb := range []string{"get", "list", "watch"} {
			allowed, err := s.may(ctx, c, authorizationv1.ResourceAttributes{
				Namespace: d.Mirror, Verb: verb, Resource: "configmaps",
			})
			switch {
			case err != nil:
				return check.Untested(member, err)
			case !allowed:
				return bad(member, "%s: %s may not %s configmaps in namespace %s: it answers without the mirror", s,
					user, verb, d.Mirror).
					With("$ kubectl federation join %s --member-context <%s> --coredns-account %s:%s", member, member,
						s.namespace, s.account)
			}
		}
	}
	return check.Good(member, "%s: %s may read it", s, user)
}
