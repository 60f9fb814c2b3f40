package corednscheck

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/check/corefile"
)

// serviceImports is what CoreDNS needs of the Multi-Cluster Services API.
const serviceImports = "multicluster.x-k8s.io/v1alpha1"

// multicluster looks for the kinds that a Corefile with multicluster needs.
func multicluster(_ context.Context, v *view) []check.Finding {
	member := v.member
	for _, s := range v.facts.servers {
		if s.file == nil || !slices.ContainsFunc(s.file.Servers, usesMulticluster) {
			continue
		}
		list, err := v.client.Discovery().ServerResourcesForGroupVersion(serviceImports)
		if err != nil && !apierrors.IsNotFound(err) {
			return check.One(check.Untested(member, err))
		}
		if err == nil {
			for _, r := range list.APIResources {
				if r.Name == "serviceimports" {
					return check.One(check.Good(member, "%s: ServiceImport is served", s))
				}
			}
		}
		return check.One(check.Bad(member, "%s: its Corefile has multicluster, and the cluster has no ServiceImport "+
			"v1alpha1: CoreDNS is not ready as long as that is so", s))
	}
	return nil
}

func usesMulticluster(s corefile.Server) bool {
	return slices.ContainsFunc(s.All("kubernetes"), func(p *corefile.Plugin) bool {
		return corefile.HasOption(p, "multicluster")
	})
}
