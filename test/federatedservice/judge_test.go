package federatedservice

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/test/federatedservice/stage"
)

// place is where a Service is, in the namespace shop.
type place struct{ member, name string }

// judge sees every change of every Service in the members, and says which must not be:
//
//	touched   a Service of somebody else is changed or deleted (G2, G5, G6)
//	deleted   a Service goes whose FederatedService is there, and selects the member (G7)
//	unwanted  a Service comes whose FederatedService is gone, or does not select the member (G3)
//	fenced    something is changed where propagation is Disabled (B4)
//	namespace a namespace comes that somebody deleted (G10)
//	end       after all faults have ended, the Services or what is said of them are not as they are to be
type judge struct {
	began time.Time

	mu sync.Mutex
	// theirs are the Services of others, as they are to stay.
	theirs map[place]*corev1.Service
	// done are the Services that the run itself has deleted or edited.
	done map[types.UID]bool
	// wanted is since when a place is to have a Service, and unwanted since when it is not.
	wanted, unwanted map[place]time.Time
	// left are Services that have lost their FederatedService while propagation was Disabled, and unsure those whose
	// FederatedService was being deleted when it was Enabled again: they may stay or go.
	left, unsure map[place]types.UID
	// fenced is since when propagation is Disabled in a member, and homeless whether it lacks the namespace.
	fenced   map[string]time.Time
	homeless map[string]bool
	seen     []string
}

// grace is how long the syncer may take to learn what is wanted, and fenceGrace that propagation is Disabled.
const grace, fenceGrace = 12 * time.Second, 8 * time.Second

func newJudge() *judge {
	return &judge{
		began: time.Now(), theirs: map[place]*corev1.Service{}, done: map[types.UID]bool{},
		wanted: map[place]time.Time{}, unwanted: map[place]time.Time{}, left: map[place]types.UID{},
		unsure: map[place]types.UID{},
		fenced: map[string]time.Time{}, homeless: map[string]bool{},
	}
}

// tell changes what the judge knows.
func (j *judge) tell(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
}

// watch has the judge see the Services of a member.
func (j *judge) watch(t testing.TB, m *stage.Member) {
	t.Helper()
	factory := informers.NewSharedInformerFactoryWithOptions(m.API, 0, informers.WithNamespace("shop"))
	informer := factory.Core().V1().Services().Informer()
	of := func(obj any) (*corev1.Service, place) {
		if last, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = last.Obj
		}
		s := obj.(*corev1.Service)
		return s, place{m.Name, s.Name}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { s, p := of(obj); j.came(p, s) },
		DeleteFunc: func(obj any) { s, p := of(obj); j.went(p, s) },
		UpdateFunc: func(before, after any) {
			was, p := of(before)
			is, _ := of(after)
			if was.UID != is.UID {
				j.went(p, was)
				j.came(p, is)
				return
			}
			j.changed(p, was, is)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	factory.Start(t.Context().Done())
	if !cache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
		t.Fatal("the Services of the member were not listed")
	}
	t.Cleanup(factory.Shutdown)
}

func (j *judge) came(p place, s *corev1.Service) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if propagate.MarkOf(s.Annotations) == "" {
		return // somebody else's
	}
	if since, ok := j.unwanted[p]; ok && time.Since(since) > grace {
		j.violation("unwanted", p, "nobody wants it for %s", time.Since(since))
	}
	j.fence(p, "comes")
}

func (j *judge) went(p place, s *corev1.Service) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.done[s.UID] || j.homeless[p.member] {
		return
	}
	if theirs := j.theirs[p]; theirs != nil && theirs.UID == s.UID {
		j.violation("touched", p, "it is somebody else's, and is deleted")
		return
	}
	if j.left[p] == s.UID && j.wanted[p].IsZero() {
		j.violation("deleted", p, "it has lost its FederatedService while propagation was Disabled")
	}
	j.fence(p, "goes")
	if since := j.wanted[p]; !since.IsZero() && time.Since(since) > grace {
		j.violation("deleted", p, "it is wanted there for %s", time.Since(since))
	}
}

func (j *judge) changed(p place, was, is *corev1.Service) {
	if reflect.DeepEqual(was.Spec, is.Spec) && maps.Equal(was.Labels, is.Labels) &&
		maps.Equal(was.Annotations, is.Annotations) {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if theirs := j.theirs[p]; theirs != nil && theirs.UID == is.UID {
		if !reflect.DeepEqual(theirs.Spec, is.Spec) || !maps.Equal(foreign(theirs.Labels), foreign(is.Labels)) ||
			!maps.Equal(foreign(theirs.Annotations), foreign(is.Annotations)) {
			j.violation("touched", p, "it is somebody else's: %+v, was %+v", is, theirs)
		}
		return
	}
	if !j.done[is.UID] {
		j.fence(p, "changes")
	}
}

// foreign are labels or annotations without ours: equal values may be co-owned for a moment (G2).
func foreign(all map[string]string) map[string]string {
	all = maps.Clone(all)
	maps.DeleteFunc(all, func(key, _ string) bool { return strings.HasPrefix(key, "federation-dns.io/") })
	return all
}

func (j *judge) fence(p place, what string) {
	if since, ok := j.fenced[p.member]; ok && time.Since(since) > fenceGrace {
		j.violation("fenced", p, "it %s, and propagation is Disabled for %s", what, time.Since(since))
	}
}

// violation prints one in the form that test/chaos/selftest reads.
func (j *judge) violation(kind string, p place, format string, args ...any) {
	text := fmt.Sprintf("VIOLATION (%s) at %.1fs, %s in %s\n  why: %s", kind, time.Since(j.began).Seconds(), p.name,
		p.member, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " "))
	fmt.Println(text)
	j.seen = append(j.seen, text)
}

// violations are those so far.
func (j *judge) violations() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.seen...)
}
