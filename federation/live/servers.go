package live

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
)

// Authorities returns the name servers of the zone that the domain is in, as the resolver of this machine has them. A
// top-level domain is not asked about, unless it is the domain itself.
func Authorities(ctx context.Context, domain string) (servers []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	for zone := strings.TrimSuffix(domain, "."); zone != ""; {
		found, lookupErr := net.DefaultResolver.LookupNS(ctx, zone+".")
		for _, ns := range found {
			servers = append(servers, strings.TrimSuffix(ns.Host, "."))
		}
		if len(servers) > 0 {
			slices.Sort(servers)
			return servers, nil
		}
		if err == nil {
			err = lookupErr
		}
		if _, zone, _ = strings.Cut(zone, "."); !strings.Contains(zone, ".") {
			break
		}
	}
	if err == nil {
		err = fmt.Errorf("there is no name server of %s", domain)
	}
	return nil, err
}
