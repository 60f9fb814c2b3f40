// Package records is the way from the syncers to the cluster that keeps the records of federations without a DNS zone
// (M7): their ConfigMaps. It fails on request, sees every change, and reads and edits the records by itself.
package records

import (
	"context"
	"fmt"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider/hostrecords"
)

// Records are those of one federation, for somebody who may do everything in their namespace.
type Records struct {
	Federation federation.Federation
	ConfigMaps corev1client.ConfigMapInterface
}

// head is the name of the ConfigMap whose word counts.
func (r Records) head() string {
	return hostrecords.Config{Federation: r.Federation.Name, Domain: r.Federation.Domain}.HeadName()
}

// Sets are the data of RRsets, by owner name and type.
type Sets map[federation.FQDN]map[string][]string

// Read returns all RRsets.
func (r Records) Read(ctx context.Context) (Sets, error) {
	list, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	out := Sets{}
	for _, head := range []bool{false, true} {
		for i := range list {
			if cm := &list[i]; (cm.Name == r.head()) == head {
				if err := out.add(cm.Data); err != nil {
					return nil, fmt.Errorf("ConfigMap %s: %w", cm.Name, err)
				}
			}
		}
	}
	return out, nil
}

func (r Records) list(ctx context.Context) ([]corev1.ConfigMap, error) {
	list, err := r.ConfigMaps.List(ctx,
		metav1.ListOptions{LabelSelector: hostrecords.Label + "=" + string(r.Federation.Name)})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// add adds what a ConfigMap says, in place of what is known of its names.
func (s Sets) add(data map[string]string) error {
	for line := range strings.Lines(data["removed"]) {
		delete(s, federation.FQDN(strings.TrimSpace(line)))
	}
	own := Sets{}
	z := dns.NewZoneParser(strings.NewReader(data["records"]), ".", "")
	for rr, ok := z.Next(); ok; rr, ok = z.Next() {
		h := rr.Header()
		name, typ := federation.CanonicalName(h.Name), dns.TypeToString[h.Rrtype]
		if own[name] == nil {
			own[name] = map[string][]string{}
		}
		own[name][typ] = append(own[name][typ], strings.TrimPrefix(rr.String(), h.String()))
	}
	for name, sets := range own {
		s[name] = sets
	}
	return z.Err()
}

// Remove takes RRsets away, as somebody does with kubectl edit.
func (r Records) Remove(ctx context.Context, gone func(name, typ string) bool) error {
	list, err := r.list(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		var kept strings.Builder
		for line := range strings.Lines(list[i].Data["records"]) {
			if f := strings.Fields(line); len(f) < 4 || !gone(f[0], f[3]) {
				kept.WriteString(line)
			}
		}
		if kept.Len() == len(list[i].Data["records"]) {
			continue
		}
		list[i].Data["records"] = kept.String()
		if _, err := r.ConfigMaps.Update(ctx, &list[i], metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	return nil
}
