package stage

import (
	"maps"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// History knows every Service that the namespace shop of a member has had.
type History struct {
	mu   sync.Mutex
	ever map[string][]types.UID // by name
}

// Record begins a History of the member, until the test ends.
func (m *Member) Record(t testing.TB) *History {
	t.Helper()
	h := &History{ever: map[string][]types.UID{}}
	factory := informers.NewSharedInformerFactoryWithOptions(m.API, 0, informers.WithNamespace("shop"))
	informer := factory.Core().V1().Services().Informer()
	note := func(obj any) {
		s := obj.(*corev1.Service)
		h.mu.Lock()
		defer h.mu.Unlock()
		if !slices.Contains(h.ever[s.Name], s.UID) {
			h.ever[s.Name] = append(h.ever[s.Name], s.UID)
		}
	}
	// One that is deleted and created between two looks is an update.
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: note, UpdateFunc: func(_, after any) { note(after) },
	}); err != nil {
		t.Fatal(err)
	}
	factory.Start(t.Context().Done())
	if !cache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
		t.Fatal("the Services of the member were not listed")
	}
	t.Cleanup(factory.Shutdown)
	return h
}

// Ever returns the UIDs of all Services of a name that there ever were, the first one first.
func (h *History) Ever(name string) []types.UID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ever[name])
}

// Names returns the names of all Services that there ever were.
func (h *History) Names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.ever))
}
