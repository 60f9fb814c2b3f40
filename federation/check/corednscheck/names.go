package corednscheck

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
)

// names looks at the names of the federations: outside names, or those of a namespace, must not be shadowed by them.
func names(ctx context.Context, e *check.Env) []check.Finding {
	status, err := e.Status(ctx)
	if err != nil {
		return check.One(check.Untested("", err))
	}
	var findings []check.Finding
	for _, f := range status.Federations {
		if kind := federation.TopLevelDomain(federation.Label(f.Name)); kind != "" {
			findings = append(findings, check.Bad(f.Name, "%s is also a %s top-level domain: names below it that "+
				"pods ask for become names of the federation", f.Name, kind))
		} else {
			findings = append(findings, check.Good(f.Name, "no top-level domain has this name"))
		}
	}
	return append(findings, e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		c, err := m.OwnClient(ctx)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		return namespaces(ctx, c, m.Name, status.Federations)
	})...)
}

// namespaces looks for namespaces of a member that are called like a federation.
func namespaces(ctx context.Context, c *check.Client, member string, feds []admin.FederationStatus) []check.Finding {
	var findings []check.Finding
	for _, f := range feds {
		_, err := c.CoreV1().Namespaces().Get(ctx, f.Name, metav1.GetOptions{})
		switch {
		case err == nil:
			findings = append(findings, check.Doubt(member, "there is a namespace %s: SERVICE.%s.svc is a Service of "+
				"it, and a federated name there needs three labels", f.Name, f.Name))
		case !apierrors.IsNotFound(err):
			return check.One(check.Untested(member, err))
		}
	}
	if len(findings) == 0 {
		return check.One(check.Good(member, "no namespace has the name of a federation"))
	}
	return findings
}
