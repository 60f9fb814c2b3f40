package federation

import "strings"

// OwnerName is the name of the service's records at the level of that domain:
// S.N.F.svc.<level>.
func (f Federation) OwnerName(svc ServiceName, level FQDN) FQDN {
	return join(svc.Name, join(svc.Namespace, f.Suffix(level)))
}

// ParseOwner takes the owner name of a service's records apart: the inverse of
// OwnerName. ok is false unless name is of the shape of N2 or N3 under this
// federation; only such names are ever written or deleted (O2).
//
// level is the level's domain: the federation's Domain for global, else one
// or two labels below it. The two labels of a nested topology zone are
// understood under Flat too: what was written before a change of the naming
// has to be found and removed (P4).
func (f Federation) ParseOwner(name FQDN) (svc ServiceName, level FQDN, ok bool) {
	service, rest, ok1 := strings.Cut(string(name), ".")
	namespace, suffix, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || checkLabel(service) != nil || checkLabel(namespace) != nil {
		return ServiceName{}, "", false
	}
	level, ok = f.ParseSuffix(FQDN(suffix))
	if !ok {
		return ServiceName{}, "", false
	}
	return ServiceName{Namespace: namespace, Name: service}, level, true
}

// ParseSuffix is the inverse of Suffix: the level's domain in "F.svc.<level>".
// ok is false if suffix is not of that shape under this federation.
func (f Federation) ParseSuffix(suffix FQDN) (level FQDN, ok bool) {
	s, ok := strings.CutPrefix(string(suffix), string(f.Name)+".svc.")
	if !ok {
		return "", false
	}
	level = FQDN(s)
	if level == f.Domain {
		return level, true
	}
	above, ok := strings.CutSuffix(s, "."+string(f.Domain))
	if !ok {
		return "", false
	}
	labels := strings.Split(above, ".")
	if len(labels) > 2 {
		return "", false
	}
	for _, l := range labels {
		if checkLabel(l) != nil {
			return "", false
		}
	}
	return level, true
}
