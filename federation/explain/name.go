package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
)

// Name is a federated name, as the plugin reads it (N1, Q3).
type Name struct {
	// Prefix is that of a port or an endpoint, with the final dot; "" for a Service.
	Prefix     string
	Service    federation.ServiceName
	Federation *admin.FederationStatus
}

// String returns the short form: S.N.F, with its prefix.
func (n Name) String() string {
	return n.Prefix + n.Service.Name + "." + n.Service.Namespace + "." + n.Federation.Name
}

var (
	endpointPrefix = regexp.MustCompile(`^[a-z0-9-]+\.$`)
	portPrefix     = regexp.MustCompile(`^_[a-z0-9-]+\._[a-z0-9-]+\.$`)
)

// ParseName parses a name as a pod writes it: S.N.F, _port._proto.S.N.F or endpoint.S.N.F, alone or followed by svc and
// the cluster's zone, in any case, with or without the trailing dot. The domain chooses one of several federations of
// the name F; it may be "".
func ParseName(status *admin.Status, text, domain string) (Name, error) {
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(text), "."), ".")
	at := federationLabel(status, labels)
	fed, err := findFederation(status, labels[at], domain)
	if err != nil {
		return Name{}, fmt.Errorf("name %q: %w", text, err)
	}
	if zone := strings.Join(labels[min(at+2, len(labels)):], "."); zone == fed.Domain ||
		strings.HasSuffix(zone, "."+fed.Domain) {
		return Name{}, fmt.Errorf("name %q is that of a record, which is the same from everywhere: pods ask for %s",
			text, strings.Join(labels[:at+1], "."))
	}
	n := Name{Federation: fed}
	if at < 2 || at > 4 {
		return n, fmt.Errorf("name %q: want SERVICE.NAMESPACE.%s, with _PORT._PROTO. or ENDPOINT. before it or not",
			text, fed.Name)
	}
	for _, label := range labels[at-2 : at] {
		if _, err := federation.ParseLabel(label); err != nil {
			return n, fmt.Errorf("name %q: %w", text, err)
		}
	}
	n.Service = federation.ServiceName{Name: labels[at-2], Namespace: labels[at-1]}
	for _, label := range labels[:at-2] {
		n.Prefix += label + "."
	}
	switch {
	case at == 3 && !endpointPrefix.MatchString(n.Prefix):
		return n, fmt.Errorf("name %q: %q is not the name of an endpoint", text, labels[0])
	case at == 4 && !portPrefix.MatchString(n.Prefix):
		return n, fmt.Errorf("name %q: %q is not a port and a protocol, such as _http._tcp", text,
			strings.TrimSuffix(n.Prefix, "."))
	}
	return n, nil
}

// federationLabel returns the index of the label that is the federation's: the one before svc, or else the last.
func federationLabel(status *admin.Status, labels []string) int {
	at := len(labels) - 1
	for i := at; i > 0; i-- {
		known := slices.ContainsFunc(status.Federations, func(f admin.FederationStatus) bool {
			return f.Name == labels[i-1]
		})
		if labels[i] == "svc" && (known || i > 2) {
			at = i - 1
			if known {
				break
			}
		}
	}
	return at
}

// findFederation returns the federation of the name, and of the domain unless that is "".
func findFederation(status *admin.Status, name, domain string) (*admin.FederationStatus, error) {
	domain = strings.TrimSuffix(strings.ToLower(domain), ".")
	var found []*admin.FederationStatus
	var all, domains []string
	for i := range status.Federations {
		f := &status.Federations[i]
		all = append(all, f.Name+" in "+f.Domain)
		if f.Name == name {
			domains = append(domains, f.Domain)
			if domain == "" || f.Domain == domain {
				found = append(found, f)
			}
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("federation %q has several domains, %s: choose one by --domain", name,
			strings.Join(domains, ", "))
	case len(domains) > 0:
		return nil, fmt.Errorf("federation %q has no domain %q: it is in %s", name, domain,
			strings.Join(domains, ", "))
	case len(all) == 0:
		return nil, fmt.Errorf("this syncer has no federations")
	}
	return nil, fmt.Errorf("%q is no federation of this syncer, which has %s", name, strings.Join(all, ", "))
}

// FindServices returns the services of one federation that the text stands for: S, S.N, N/S, or what ParseName accepts.
// Without a namespace in the text, that of the flag, or else any, counts. If there is none, the error has the nearest
// names.
func FindServices(status *admin.Status, text, namespace string) (found []Found, err error) {
	text = strings.TrimSuffix(strings.ToLower(text), ".")
	want := federation.ServiceName{Name: text, Namespace: namespace}
	if ns, name, ok := strings.Cut(text, "/"); ok {
		want = federation.ServiceName{Name: name, Namespace: ns}
	} else if parts := strings.Split(text, "."); len(parts) == 2 {
		want = federation.ServiceName{Name: parts[0], Namespace: parts[1]}
	} else if len(parts) > 2 {
		n, err := ParseName(status, text, "")
		if err != nil {
			return nil, err
		}
		s := findService(n.Federation, n.Service)
		if s == nil {
			return nil, unknownService(n.Federation, n.Service)
		}
		return []Found{{Federation: n.Federation, Service: s}}, nil
	}
	for i := range status.Federations {
		f := &status.Federations[i]
		for j := range f.Services {
			name := f.Services[j].ServiceName()
			if name.Name == want.Name && (want.Namespace == "" || name.Namespace == want.Namespace) {
				found = append(found, Found{Federation: f, Service: &f.Services[j]})
			}
		}
	}
	if len(found) == 0 {
		return nil, unknownService(everything(status), want)
	}
	return found, nil
}

// Found is a service, and the federation that it is in.
type Found struct {
	Federation *admin.FederationStatus
	Service    *admin.ServiceStatus
	// Object is its FederatedService; nil if it has none, or none that may be seen.
	Object *v1alpha1.FederatedService
}
