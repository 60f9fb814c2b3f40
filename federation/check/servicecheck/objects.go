package servicecheck

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/explain"
	"github.com/federation-dns/federation/federation/member"
)

// reader lists the labelled Services of each member once.
type reader struct {
	mu    sync.Mutex
	lists map[*check.Member]func() ([]corev1.Service, error)
}

// pageSize is how many Services a request lists.
const pageSize = 500

// of returns the labelled Services of a member, with the user's own rights, or else the syncer's.
func (r *reader) of(ctx context.Context, m *check.Member) ([]corev1.Service, error) {
	r.mu.Lock()
	if r.lists == nil {
		r.lists = map[*check.Member]func() ([]corev1.Service, error){}
	}
	read := r.lists[m]
	if read == nil {
		read = sync.OnceValues(func() ([]corev1.Service, error) {
			// The user's own way may be there where the syncer's is not: for a member of the file, for instance.
			own, ownErr := m.OwnClient(ctx)
			if ownErr == nil {
				return list(ctx, own)
			}
			c, err := m.SyncerClient(ctx)
			if err != nil {
				return nil, fmt.Errorf("%w; %w", err, ownErr)
			}
			return list(ctx, c)
		})
		r.lists[m] = read
	}
	r.mu.Unlock()
	return read()
}

func list(ctx context.Context, c *check.Client) (all []corev1.Service, err error) {
	options := metav1.ListOptions{LabelSelector: member.LabelFederation, Limit: pageSize}
	for {
		page, err := c.CoreV1().Services("").List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("the Services: %w", err)
		}
		all = append(all, page.Items...)
		if options.Continue = page.Continue; options.Continue == "" {
			return all, nil
		}
	}
}

// labels looks for labels that name no federation of the syncer.
func (r *reader) labels(ctx context.Context, e *check.Env) []check.Finding {
	status, err := e.Status(ctx)
	if err != nil {
		return check.One(check.Untested("", err))
	}
	var names []string
	for _, f := range status.Federations {
		names = append(names, f.Name)
	}
	findings := e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		services, err := r.of(ctx, m)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		return mislabelled(m.Name, services, names)
	})
	return append(findings, lone(status)...)
}

func mislabelled(name string, services []corev1.Service, federations []string) []check.Finding {
	var g group
	for i := range services {
		label := services[i].Labels[member.LabelFederation]
		if slices.Contains(federations, label) {
			continue
		}
		what := fmt.Sprintf("label %q is no federation of this syncer", label)
		if near := nearest(label, federations); near != "" {
			what += fmt.Sprintf(" (%s?)", near)
		}
		g.add(name, what, services[i].Namespace+"/"+services[i].Name)
	}
	return g.findings(check.Good(name, "Services with the label: %d", len(services)),
		func(m string, s federation.ServiceName) string {
			return fmt.Sprintf("correct the label, or take it away:\n$ kubectl --context <%s> edit service %s -n %s", m,
				s.Name, s.Namespace)
		})
}

// nearest returns the federation for which the label may be mistyped; "" if there is none.
func nearest(label string, federations []string) (found string) {
	best := 1 + len(label)/3
	for _, f := range federations {
		if d := explain.Distance(strings.ToLower(label), f); d <= best {
			best, found = d-1, f
		}
	}
	return found
}

// ports compares the Services of all members.
func (r *reader) ports(ctx context.Context, e *check.Env) []check.Finding {
	var mu sync.Mutex
	shards := map[string]map[string]*corev1.Service{} // by Service and member
	findings := e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		services, err := r.of(ctx, m)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range services {
			s := &services[i]
			key := s.Namespace + "/" + s.Name
			if shards[key] == nil {
				shards[key] = map[string]*corev1.Service{}
			}
			shards[key][m.Name] = s
		}
		return nil
	})
	mu.Lock() // what has not answered in time may come yet
	defer mu.Unlock()
	return append(findings, differences(shards)...)
}

// maxDifferences bounds how many are reported one by one.
const maxDifferences = 20

// differences returns a finding for each Service whose shards differ; a good one if none do.
func differences(shards map[string]map[string]*corev1.Service) []check.Finding {
	var findings []check.Finding
	more := 0
	for _, name := range slices.Sorted(maps.Keys(shards)) {
		for _, of := range []struct {
			what string
			text func(*corev1.Service) string
		}{{"type", typeOf}, {"ports", portsOf}} {
			switch text := differ(shards[name], of.text); {
			case text == "":
			case len(findings) >= maxDifferences:
				more++
			default:
				findings = append(findings, check.Bad(name, "%s: %s", of.what, text))
			}
		}
	}
	if more > 0 {
		findings = append(findings, check.Bad("", "further differences: %d", more))
	}
	if len(findings) == 0 {
		return check.One(check.Good("", "Services looked at: %d", len(shards)))
	}
	return findings
}

// differ says which members have what, if they do not all have the same; "" if they do.
func differ(shards map[string]*corev1.Service, text func(*corev1.Service) string) string {
	members := map[string][]string{}
	for _, member := range slices.Sorted(maps.Keys(shards)) {
		t := text(shards[member])
		members[t] = append(members[t], member)
	}
	if len(members) < 2 {
		return ""
	}
	var parts []string
	for _, t := range slices.Sorted(maps.Keys(members)) {
		parts = append(parts, fmt.Sprintf("%s in %s", t, strings.Join(members[t], ", ")))
	}
	return strings.Join(parts, "; ")
}

func typeOf(s *corev1.Service) string { return string(s.Spec.Type) }

func portsOf(s *corev1.Service) string {
	list := make([]string, len(s.Spec.Ports))
	for i, p := range s.Spec.Ports {
		list[i] = fmt.Sprintf("%d/%s", p.Port, p.Protocol)
		if p.Name != "" {
			list[i] = p.Name + " " + list[i]
		}
	}
	if len(list) == 0 {
		return "none"
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
