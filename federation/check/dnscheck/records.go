package dnscheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/live"
)

const (
	// maxCompared bounds how many RRsets a server is asked for.
	maxCompared = 600
	// compareTimeout bounds how long that takes.
	compareTimeout = 2 * time.Second
	// shown is how many names a finding has.
	shown = 3
)

// writes reports whether the provider has taken what the syncer wanted to write.
func writes(f *admin.FederationStatus) check.Finding {
	found := whetherWritten(f)
	if f.NoProvider && found.Outcome == check.Fail {
		found = found.With("look at the host cluster; if the syncer may not write there:\n$ kubectl apply -f " +
			"deploy/host-records-rbac.yaml")
	}
	return found
}

func whetherWritten(f *admin.FederationStatus) check.Finding {
	switch {
	case f.State == "provider-down" && f.NoProvider:
		return check.Bad(subject(f), "the host, which has the records, does not answer: %s", f.Error)
	case f.State == "provider-down":
		return check.Bad(subject(f), "the provider does not answer: %s", f.Error)
	case f.State == "claiming" && f.Error != "":
		return check.Bad(subject(f), "the claim cannot be written: %s", f.Error)
	case f.State != "writing":
		return check.Untested(subject(f), errors.New("the syncer does not write, it is "+f.State))
	}
	refused, names := 0, 0
	first := ""
	for i := range f.Services {
		for _, r := range f.Services[i].Refused {
			if refused++; first == "" {
				first = r.Name + ": " + r.Error
			}
		}
		names += len(f.Services[i].Records)
	}
	if refused > 0 {
		return check.Bad(subject(f), "changes of %d names fail: %s", refused, first)
	}
	if f.NoProvider {
		return check.Good(subject(f), "no change fails; the host has %d RRsets, as there is no DNS provider", names)
	}
	return check.Good(subject(f), "no change fails; %d RRsets are written", names)
}

// recordsTrue compares what the syncer has written with what the authoritative servers answer.
func (l *lookup) recordsTrue(ctx context.Context, e *check.Env, f *admin.FederationStatus) []check.Finding {
	var findings []check.Finding
	for _, p := range f.Problems {
		if p.Reason == string(federation.ReasonNotServed) {
			findings = append(findings, check.Bad(subject(f), "%s", p.Detail))
		}
	}
	if f.State == "foreign" || f.State == "deposed" {
		return append(findings, check.Untested(subject(f), errors.New("the syncer does not write, it is "+f.State)))
	}
	want, total, err := expectations(f)
	if err != nil {
		return append(findings, check.Untested(subject(f), err))
	}
	z := l.of(ctx, e, f)
	if len(z.servers) == 0 {
		if z.err == nil {
			z.err = fmt.Errorf("no name server of %s has an address", f.Domain)
		}
		return append(findings, check.Untested(subject(f), z.err))
	}
	each := make([]chan check.Finding, len(z.servers))
	for i, server := range z.servers {
		each[i] = make(chan check.Finding, 1)
		go func() { each[i] <- serves(ctx, e, f, server, want, total) }()
	}
	for i := range each {
		findings = append(findings, <-each[i])
	}
	return findings
}

// expectations are what the servers have to answer, evenly from all services, and how many there are in all.
func expectations(f *admin.FederationStatus) (want []explain.Expectation, total int, err error) {
	for i := range f.Services {
		list, err := explain.Expectations(explain.Found{Federation: f, Service: &f.Services[i]})
		if err != nil {
			return nil, 0, err
		}
		want = append(want, list...)
	}
	if total = len(want); total <= maxCompared {
		return want, total, nil
	}
	some := make([]explain.Expectation, maxCompared)
	for i := range some {
		some[i] = want[i*total/maxCompared]
	}
	return some, total, nil
}

// serves compares one server.
func serves(ctx context.Context, e *check.Env, f *admin.FederationStatus, server string, want []explain.Expectation,
	total int,
) check.Finding {
	reply, err := e.Ask(ctx, server, f.Domain, dns.TypeSOA, false)
	switch {
	case err != nil:
		return check.Untested(subject(f), err)
	case !reply.Authoritative:
		return check.Bad(subject(f), "server %s is not authoritative for %s: it answers %s without AA", server,
			f.Domain, dns.RcodeToString[reply.Rcode]).
			With("make %s a server of the zone, or take it out of its NS records", server)
	}
	wrong, compared, why := compare(ctx, server, want)
	if len(wrong) > 0 { // or it has changed since the syncer was asked
		wrong, err = again(ctx, e, f, server, wrong)
		if err != nil {
			return check.Untested(subject(f), err)
		}
	}
	switch {
	case len(wrong) > 0:
		return check.Bad(subject(f), "server %s: %d of %d RRsets are not as written: %s", server, len(wrong), compared,
			describe(wrong)).With("%s", mend(server, wrong[0].Name))
	case compared == 0 && len(want) > 0:
		return check.Untested(subject(f), fmt.Errorf("server %s: %s", server, why))
	case compared < total:
		return check.Good(subject(f), "server %s: %d of %d RRsets compared", server, compared, total)
	}
	return check.Good(subject(f), "server %s: all %d RRsets", server, compared)
}

// compare returns what a server answers differently, how many RRsets it has answered, and why not the others.
func compare(ctx context.Context, server string, want []explain.Expectation) (wrong []explain.Difference, n int,
	why string,
) {
	ctx, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	c := live.Compare(ctx, server, want)
	n = c.Asked
	for _, d := range c.Differences {
		if d.Error != "" {
			n--
			why = d.Error
			continue
		}
		wrong = append(wrong, d)
	}
	return wrong, n, why
}

// again asks the syncer anew, and then the server for what was different.
func again(ctx context.Context, e *check.Env, f *admin.FederationStatus, server string, wrong []explain.Difference,
) ([]explain.Difference, error) {
	status, err := e.Syncer.Status(ctx)
	if err != nil {
		return nil, err
	}
	var want []explain.Expectation
	for i := range status.Federations {
		if now := &status.Federations[i]; now.Name == f.Name && now.Domain == f.Domain {
			list, _, err := expectations(&admin.FederationStatus{Name: now.Name, Domain: now.Domain, Naming: now.Naming,
				FederationLevels: now.FederationLevels, Services: ofNames(now, wrong)})
			if err != nil {
				return nil, err
			}
			want = list
		}
	}
	want = slices.DeleteFunc(want, func(x explain.Expectation) bool {
		return !slices.ContainsFunc(wrong, func(d explain.Difference) bool {
			return d.Name == x.Name && d.Type == x.Type
		})
	})
	still, _, _ := compare(ctx, server, want)
	return still, nil
}

// ofNames returns the services that have the names.
func ofNames(f *admin.FederationStatus, wrong []explain.Difference) (list []admin.ServiceStatus) {
	prefixes := map[string]bool{}
	for _, d := range wrong {
		labels := strings.SplitN(d.Name, ".", 3)
		if len(labels) == 3 {
			prefixes[labels[1]+"/"+labels[0]] = true
		}
	}
	for _, s := range f.Services {
		if prefixes[s.Name] {
			list = append(list, s)
		}
	}
	return list
}

// mend says what to do about a difference.
func mend(server, name string) string {
	text := "the syncer repairs its primary at the next audit (auditInterval); a secondary that stays behind gets no " +
		"transfers. All that differs of this Service:\n"
	labels := strings.SplitN(name, ".", 3)
	return text + fmt.Sprintf("$ kubectl federation records %s -n %s --query %s", labels[0], labels[1], server)
}

// describe shows the first differences.
func describe(wrong []explain.Difference) string {
	text := make([]string, 0, shown)
	for _, d := range wrong[:min(shown, len(wrong))] {
		text = append(text, fmt.Sprintf("%s %s is %s, written was %s", strings.TrimSuffix(d.Name, "."), d.Type,
			data(d.Got), data(d.Want)))
	}
	if len(wrong) > shown {
		text = append(text, "...")
	}
	return strings.Join(text, "; ")
}

func data(list []string) string {
	if len(list) == 0 {
		return "not there"
	}
	return strings.Join(list, " ")
}
