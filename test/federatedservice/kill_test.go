package federatedservice

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/test/federatedservice/stage"
)

var (
	kills = flag.Int("kills", 10, "at how many requests TestKilled kills the syncer, one after the other")
	seed  = flag.Uint64("seed", 1, "what TestKilled and TestChaos draw from")
)

// TestKilled kills the syncer at writing requests that are drawn from a seed, while Services are created, adopted,
// given back and deleted, and starts another one: the end is the same.
func TestKilled(t *testing.T) {
	t.Parallel()
	all := stage.New(t, stage.Options{Root: root, Members: []string{"m1", "m2"}, Wires: true})
	all.Namespaces()
	t.Run("G3 G7 killed at any request, a syncer leaves nothing behind and creates nothing twice", func(t *testing.T) {
		s := all.In(t)
		s.Start()
		s.JoinAll()
		k := &killer{Stage: s}
		for _, m := range s.Members {
			k.histories = append(k.histories, m.Record(t))
			m.Wire.Call(k.see)
		}
		s.Wire.Call(k.see)
		k.arm(0, false)
		k.play("whole")
		total := k.n
		t.Logf("there are %d writing requests", total)
		rng := rand.New(rand.NewPCG(*seed, 0))
		for i := 0; k.times < *kills; i++ {
			if i == 2**kills {
				t.Fatalf("it was killed %d of %d times only", k.times, i)
			}
			at, lost := 1+rng.IntN(total), rng.IntN(2) == 0
			k.arm(at, lost)
			k.play(fmt.Sprintf("k%d", i))
			t.Logf("killed at %d, which was lost %t: %s", at, lost, k.what)
			if k.n < at {
				total = k.n // statuses are written more or less often, as time passes
			}
		}
	})
}

// killer plays the same story again and again, and kills the syncer at a request of it.
type killer struct {
	*stage.Stage
	histories []*stage.History
	times     int

	mu    sync.Mutex
	story string
	at, n int    // the writing request to be killed at, 0 for none, and how many there were
	lost  bool   // it does not arrive; else it does, and its answer is lost
	what  string // the request, once the syncer is killed
	// dying is there from the moment at which it is decided to kill the syncer until another one is started; it is
	// closed once the syncer is dead.
	dying chan struct{}
}

func (k *killer) arm(at int, lost bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.n, k.lost, k.what = at, 0, lost, "never"
}

// killed reports whether the syncer is killed, or about to be.
func (k *killer) killed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dying != nil
}

// see is called for each request of the syncer.
func (k *killer) see(r stage.Request, body []byte, forward func([]byte) *httptest.ResponseRecorder) {
	k.mu.Lock()
	ours := k.story != "" && r.Writes() &&
		(strings.HasPrefix(r.Name, k.story+"-") || strings.HasPrefix(r.Resource, "memberclusters"))
	if ours {
		k.n++
	}
	hit := ours && k.n == k.at
	var dying chan struct{}
	if hit {
		dying = make(chan struct{})
		k.dying = dying
		k.times++
		k.what = fmt.Sprintf("%s %s %s", r.Verb, r.Resource, r.Name)
	}
	lost := k.lost
	k.mu.Unlock()
	if !hit || !lost {
		forward(body)
	}
	if hit {
		k.Kill()
		close(dying)
		stage.Lose()
	}
}

// tell begins a story, or with "" ends it: from then on no request counts, so none is one to be killed at.
func (k *killer) tell(story string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.story = story
}

// restart starts another syncer, if the one there was is killed.
func (k *killer) restart() {
	k.Helper()
	k.mu.Lock()
	dying := k.dying
	k.dying = nil
	k.mu.Unlock()
	if dying != nil {
		<-dying
		k.Restart()
	}
}

// soon polls, and starts another syncer when that is due.
func (k *killer) soon(what string, f func() error) {
	k.Helper()
	k.Eventually(func() error {
		k.restart()
		if err := stage.Running(k.Stage); err != nil && !k.killed() {
			k.Fatal(err)
		}
		if err := f(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	})
}

// play is the story: one FederatedService is created, one adopts a Service in one member, one is deleted, one loses a
// member, and one stays where a Service is somebody else's; then all are deleted.
func (k *killer) play(story string) {
	k.Helper()
	defer k.restart()
	defer k.tell("")
	m1, m2 := k.Members[0], k.Members[1]
	created, adopted, deleted, moved, foreign := story+"-created", story+"-adopted", story+"-deleted", story+"-moved",
		story+"-foreign"
	for _, name := range []string{deleted, moved} {
		k.Create(stage.Nginx(name))
	}
	for _, name := range []string{adopted, foreign} {
		k.theirs(m1, name)
	}
	k.Create(stage.Nginx(foreign))
	k.Created(deleted, m1, m2)
	k.Created(moved, m1, m2)
	k.Created(foreign, m2)
	was := map[string]*corev1.Service{adopted: m1.Service(k, adopted), foreign: m1.Service(k, foreign)}

	k.tell(story)
	k.Create(stage.Nginx(created))
	adopting := stage.Nginx(adopted)
	adopting.Spec.Adopt = true
	k.Create(adopting)
	k.Delete(deleted)
	k.Change(moved, `{"placement": {"clusters": ["m1"]}}`)
	k.soon("the first half", func() error {
		for _, name := range []string{created, adopted, moved} {
			if err := k.propagated(name); err != nil {
				return err
			}
		}
		switch {
		case k.Get(deleted) != nil:
			return fmt.Errorf("%s is not deleted", deleted)
		case m2.Service(k, moved) != nil || m1.Service(k, deleted) != nil || m2.Service(k, deleted) != nil:
			return fmt.Errorf("Services are left")
		}
		return nil
	})
	if have := m1.Service(k, adopted); have.UID != was[adopted].UID ||
		have.Annotations[propagate.AnnotationAdoptedBy] == "" || !reflect.DeepEqual(have.Spec, was[adopted].Spec) {
		k.Errorf("%s is %+v", adopted, have)
	}
	if err := differs(was[foreign], m1.Service(k, foreign)); err != nil {
		k.Errorf("%s: %v", foreign, err)
	}

	for _, name := range []string{created, adopted, moved, foreign} {
		k.Delete(name)
	}
	k.soon("the second half", func() error {
		for _, name := range []string{created, adopted, moved, foreign} {
			if k.Get(name) != nil {
				return fmt.Errorf("%s is not deleted", name)
			}
		}
		for _, m := range k.Members {
			if owed := k.MemberCluster(m.Name).Status.PendingDeletions; len(owed) > 0 {
				return fmt.Errorf("%s owes %v", m.Name, owed)
			}
			if err := k.nothingOurs(m, story); err != nil {
				return err
			}
		}
		return nil
	})
	for name, before := range was {
		after := m1.Service(k, name)
		if after == nil || after.UID != before.UID || !reflect.DeepEqual(after.Spec, before.Spec) {
			k.Errorf("%s is %+v, was %+v", name, after, before)
		}
	}
	for i, h := range k.histories {
		for _, name := range h.Names() {
			if ever := h.Ever(name); len(ever) != 1 {
				k.Errorf("%s had %s %d times", k.Members[i].Name, name, len(ever))
			}
		}
	}
}

// theirs creates a Service with the values of stage.Nginx in a member, as somebody else.
func (k *killer) theirs(m *stage.Member, name string) {
	k.Helper()
	f := stage.Nginx(name)
	_, err := m.API.CoreV1().Services("shop").Create(k.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: f.Spec.Template.Metadata.Labels}, Spec: f.Spec.Template.Spec,
	}, metav1.CreateOptions{FieldManager: "somebody"})
	if err != nil {
		k.Fatal(err)
	}
}

// propagated says why a FederatedService is not in its members as it is wanted now.
func (k *killer) propagated(name string) error {
	f := k.Get(name)
	if f == nil {
		return fmt.Errorf("%s is gone", name)
	}
	i := slices.IndexFunc(f.Status.Conditions, func(c metav1.Condition) bool {
		return c.Type == v1alpha1.ConditionPropagated
	})
	if i < 0 {
		return fmt.Errorf("%s has no condition yet", name)
	}
	if c := f.Status.Conditions[i]; c.Reason != v1alpha1.ReasonInAllClusters || c.ObservedGeneration != f.Generation {
		return fmt.Errorf("%s is %s (%s)", name, c.Reason, c.Message)
	}
	return nil
}

// nothingOurs says what of a story is ours in a member.
func (k *killer) nothingOurs(m *stage.Member, story string) error {
	list, err := m.API.CoreV1().Services("shop").List(k.Context(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, one := range list.Items {
		if !strings.HasPrefix(one.Name, story+"-") {
			continue
		}
		if err := traces(&one); err != nil {
			return fmt.Errorf("%s in %s: %w", one.Name, m.Name, err)
		}
	}
	return nil
}
