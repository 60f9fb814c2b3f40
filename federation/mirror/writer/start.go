package writer

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation/kubeconfig"
	"github.com/federation-dns/federation/federation/mirror"
)

// read reads the data of all ConfigMaps of mirrors, by their names.
func (a *api) read(ctx context.Context) (map[string]map[string]string, error) {
	var budget kubeconfig.ListBudget
	budget.Reset()
	ctx, cancel := context.WithTimeout(budget.Context(ctx), writeTimeout)
	defer cancel()
	list, err := a.maps.List(ctx, metav1.ListOptions{LabelSelector: mirror.Label})
	if err != nil {
		return nil, err
	}
	data := make(map[string]map[string]string, len(list.Items))
	for _, cm := range list.Items {
		data[cm.Name] = cm.Data
	}
	return data, nil
}

// tellStart tells the loops that have no records what the mirrors say (M1), each once for as long as it asks. If they
// cannot be read, the next round tries it again.
func (w *Writer) tellStart(ctx context.Context) {
	var data map[string]map[string]string
	for _, t := range w.sets {
		if !t.snapshot.Mirror.Unclaimed {
			t.toldStart = false
		}
		if t.toldStart || !t.snapshot.Mirror.Unclaimed {
			continue
		}
		if data == nil {
			var err error
			if data, err = w.api.read(ctx); err != nil {
				w.log.Warn("the mirror cannot be read, trying again", "error", text(err))
				return
			}
		}
		c := mirror.ReadContents(t.id, data)
		if c != nil && (c.Heartbeat.Owner != t.owner() || c.Heartbeat.Member != w.opt.Member) {
			c = nil
		}
		t.toldStart = true
		t.views.FoundMirror(w.opt.Member, c)
	}
}

// mayKeep reports whether the mirror may be kept without a claim: if it is this syncer's already (M1, M3).
func (t *set) mayKeep() bool {
	return !t.snapshot.Mirror.Unclaimed || t.beat.generation > 0 ||
		t.beat.is.heartbeat != nil && t.beat.is.owner == t.owner()
}
