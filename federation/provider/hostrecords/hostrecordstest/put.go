// Package hostrecordstest writes records of a federation without a DNS provider as somebody does by hand.
package hostrecordstest

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/federation"
)

// Label is the label of the ConfigMaps.
const Label = "federation-dns.io/records"

// Records are those of one federation.
type Records struct {
	Namespace  string
	Head       string // hostrecords.Config.HeadName
	Federation federation.Label
	Domain     federation.FQDN
}

// Put replaces the RRset with `kubectl edit`, so to say: in the ConfigMap that has its name, or else in the head. It
// tries again when somebody else was faster.
func Put(ctx context.Context, client kubernetes.Interface, r Records, set federation.RRset) error {
	maps := client.CoreV1().ConfigMaps(r.Namespace)
	for {
		found, err := maps.List(ctx, metav1.ListOptions{LabelSelector: Label + "=" + string(r.Federation)})
		if err != nil {
			return err
		}
		var at, inHead *corev1.ConfigMap
		for i := range found.Items {
			o := &found.Items[i]
			if o.Name == r.Head {
				inHead = o
			}
			has := strings.Contains("\n"+o.Data["records"], fmt.Sprintf("\n%s ", set.Name))
			if has && (at == nil || o.Name == r.Head) {
				at = o
			}
		}
		if at == nil {
			at = inHead
		}
		if at == nil {
			_, err = maps.Create(ctx, &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Name: r.Head, Labels: map[string]string{Label: string(r.Federation)}},
				Data: map[string]string{"records": set.String(), "state": fmt.Sprintf(
					`{"format":1,"federation":%q,"domain":%q,"serial":1,"buckets":0}`, r.Federation, r.Domain)},
			}, metav1.CreateOptions{})
		} else {
			at.Data["records"], at.Data["removed"] = replaced(at.Data, set)
			_, err = maps.Update(ctx, at, metav1.UpdateOptions{})
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
}

// replaced returns the records and removed names with the RRset in place of the one of its name and type.
func replaced(data map[string]string, set federation.RRset) (records, removed string) {
	var kept, gone strings.Builder
	for line := range strings.Lines(data["records"]) {
		fields := strings.Fields(line)
		if fields[0] != string(set.Name) || fields[3] != set.Type {
			kept.WriteString(line)
		}
	}
	for line := range strings.Lines(data["removed"]) {
		if strings.TrimSpace(line) != string(set.Name) {
			gone.WriteString(line)
		}
	}
	return kept.String() + set.String(), gone.String()
}
