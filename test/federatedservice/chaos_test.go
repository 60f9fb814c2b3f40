package federatedservice

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
	"github.com/federation-dns/federation/test/federatedservice/stage"
)

var (
	minutes = flag.Float64("minutes", 0.5, "how long TestChaos makes faults")
	favour  = flag.String("favour", "", "the only faults of TestChaos, separated by commas")
	first   = flag.Bool("first", false, "TestChaos ends with the first violation")
)

const (
	// roundLength is how long faults begin before all is to be well again, and settleTime how long that may take: a
	// right that is granted again is noticed within 15 s.
	roundLength, settleTime = 15 * time.Second, 3 * time.Minute
	chaosNames              = 10
)

// TestChaos plays faults that are drawn from a seed while FederatedServices come, change and go; a judge sees every
// change of every Service in the members. docs/reliability.md says what must hold.
func TestChaos(t *testing.T) {
	t.Parallel()
	all := stage.New(t, stage.Options{Root: root, Members: []string{"m1", "m2", "m3"}, Wires: true})
	all.Namespaces()
	t.Run("G2 G3 G7 whatever fails, what is not ours stays, and what is wanted comes", func(t *testing.T) {
		s := all.In(t)
		s.Start()
		s.JoinAll()
		c := &chaos{Stage: s, judge: newJudge(), rng: rand.New(rand.NewPCG(*seed, 1)),
			specs: map[string]*v1alpha1.FederatedService{}, races: map[place]race{}, counts: map[string]int{}}
		for _, m := range s.Members {
			c.judge.watch(t, m)
			m.Wire.Call(func(r stage.Request, body []byte, forward func([]byte) *httptest.ResponseRecorder) {
				c.pass(m, r, body, forward)
			})
		}
		until := time.Now().Add(time.Duration(*minutes * float64(time.Minute)))
		for round := 1; time.Now().Before(until) && !c.over(); round++ {
			c.round()
			c.settle()
		}
		t.Logf("seed %d: %v", *seed, c.counts)
		for _, v := range c.judge.violations() {
			t.Error(v)
		}
	})
}

// chaos is a run. Its fields are for the goroutine of the test, but for the races.
type chaos struct {
	*stage.Stage
	judge  *judge
	rng    *rand.Rand
	specs  map[string]*v1alpha1.FederatedService // those that there are, as they are wanted
	active []*playing
	counts map[string]int
	tried  int

	mu    sync.Mutex
	races map[place]race
}

// race is what somebody else does a moment before a request of the syncer arrives.
type race struct {
	verb string
	do   func()
}

// playing is a fault that has begun.
type playing struct {
	class string
	on    *stage.Member // nil for one of the syncer
	until time.Time
	end   func()
}

func (c *chaos) over() bool { return c.Failed() || *first && len(c.judge.violations()) > 0 }

// round draws changes and faults, one after the other.
func (c *chaos) round() {
	until := time.Now().Add(roundLength)
	for time.Now().Before(until) && !c.over() {
		<-time.After(time.Duration(50+c.rng.IntN(300)) * time.Millisecond)
		c.active = slices.DeleteFunc(c.active, func(p *playing) bool {
			if time.Now().Before(p.until) {
				return false
			}
			p.end()
			return true
		})
		if c.rng.IntN(2) == 0 {
			c.fault()
		} else {
			c.change()
		}
	}
	for _, p := range c.active {
		p.end()
	}
	c.active = nil
	c.mu.Lock()
	clear(c.races)
	c.mu.Unlock()
}

// change creates, changes or deletes a FederatedService.
func (c *chaos) change() {
	name := fmt.Sprintf("f%d", c.rng.IntN(chaosNames))
	f := c.specs[name]
	switch what := c.rng.IntN(10); {
	case f == nil:
		if c.Get(name) != nil {
			return // its deletion is under way
		}
		f = stage.Nginx(name)
		c.want(name, f)
		c.Create(f)
		c.counts["created"]++
	case what < 3:
		c.want(name, nil)
		c.Delete(name)
		c.counts["deleted"]++
	case what < 6:
		f = f.DeepCopy()
		port := int32(80 + c.rng.IntN(3))
		f.Spec.Template.Spec.Ports[0].Port = port
		c.want(name, f)
		c.Change(name, fmt.Sprintf(
			`{"template": {"spec": {"ports": [{"name": "http", "port": %d, "protocol": "TCP"}]}}}`, port))
		c.counts["changed"]++
	default:
		f = f.DeepCopy()
		f.Spec.Placement, c.counts["moved"] = nil, c.counts["moved"]+1
		patch := "null"
		if one := c.rng.IntN(len(c.Members) + 1); one < len(c.Members) {
			f.Spec.Placement = &v1alpha1.Placement{Clusters: []string{c.Members[one].Name}}
			patch = fmt.Sprintf(`{"clusters": [%q]}`, c.Members[one].Name)
		}
		c.want(name, f)
		c.Change(name, `{"placement": `+patch+`}`)
	}
}

// want tells the judge what is wanted from now on; nil is that there is no such FederatedService.
func (c *chaos) want(name string, f *v1alpha1.FederatedService) {
	if f == nil {
		delete(c.specs, name)
	} else {
		c.specs[name] = f
	}
	c.judge.tell(func() {
		for _, m := range c.Members {
			p, now := place{m.Name, name}, time.Now()
			wanted := f != nil && (f.Spec.Placement == nil || slices.Contains(f.Spec.Placement.Clusters, m.Name))
			switch _, was := c.judge.wanted[p]; {
			case wanted && !was:
				c.judge.wanted[p] = now
				delete(c.judge.unwanted, p)
			case !wanted && was:
				delete(c.judge.wanted, p)
				c.judge.unwanted[p] = now
			}
			if f != nil {
				delete(c.judge.left, p) // the mark has no UID: it is ours again
				delete(c.judge.unsure, p)
			}
		}
	})
}

// pass lets somebody else be faster.
func (c *chaos) pass(m *stage.Member, r stage.Request, body []byte, forward func([]byte) *httptest.ResponseRecorder) {
	creates := r.Verb == "APPLY" && !strings.Contains(string(body), `"uid"`)
	if r.Resource == "services" && (creates || r.Verb == "DELETE") {
		p := place{m.Name, r.Name}
		c.mu.Lock()
		now, ok := c.races[p]
		if ok = ok && now.verb == r.Verb; ok {
			delete(c.races, p)
		}
		c.mu.Unlock()
		if ok {
			now.do()
		}
	}
	forward(body)
}

// settle waits until everything is as it is to be, now that all faults have ended.
func (c *chaos) settle() {
	began := time.Now()
	var tried time.Time
	for ; !c.over(); <-time.After(200 * time.Millisecond) {
		wrong := c.wrong()
		if len(wrong) == 0 {
			return
		}
		if time.Since(began) > settleTime {
			c.judge.tell(func() { c.judge.violation("end", place{"all members", "Services"}, "%q", wrong) })
			return
		}
		if time.Since(tried) < 10*time.Second {
			continue
		}
		tried = time.Now()
		c.tried++
		for name := range c.specs { // what cannot heal by repetition is tried again when an annotation changes (G9)
			c.Kubectl(c.Host, "", "annotate", "--overwrite", "federatedservice", name, "-n", "shop",
				fmt.Sprintf("try=%d", c.tried))
		}
	}
}

// wrong says what is not as it is to be.
func (c *chaos) wrong() (list []string) {
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	theirs, left := map[place]*corev1.Service{}, map[place]types.UID{}
	c.judge.tell(func() {
		maps.Copy(theirs, c.judge.theirs)
		maps.Copy(left, c.judge.unsure)
		maps.Copy(left, c.judge.left)
	})
	for i := range chaosNames {
		name := fmt.Sprintf("f%d", i)
		f, reason := c.specs[name], v1alpha1.ReasonInAllClusters
		for _, m := range c.Members {
			p, have := place{m.Name, name}, m.Service(c, name)
			wanted := f != nil && (f.Spec.Placement == nil || slices.Contains(f.Spec.Placement.Clusters, m.Name))
			switch {
			case theirs[p] != nil:
				if err := differs(theirs[p], have); err != nil {
					say("%s of somebody else in %s: %v", name, m.Name, err)
				}
				if wanted {
					reason = v1alpha1.ReasonSomeClustersFailed
				}
			case !wanted && left[p] != "" && have != nil && have.UID == left[p]:
			case !wanted && have != nil:
				say("%s is in %s", name, m.Name)
			case wanted && have == nil:
				say("%s is not in %s", name, m.Name)
			case wanted && (have.Annotations[propagate.AnnotationCreatedBy] == "" ||
				have.Spec.Selector["app"] != name || ports(have, f.Spec.Template.Spec.Ports[0].Port) != nil):
				say("%s in %s has %v and %v, %v", name, m.Name, have.Annotations, have.Spec.Selector, have.Spec.Ports)
			}
		}
		switch have := c.Get(name); {
		case f == nil && have != nil:
			say("the FederatedService %s is not deleted", name)
		case f == nil:
		default:
			if err := is(have.Status.Conditions, v1alpha1.ConditionPropagated, reason); err != nil {
				say("%s: %v", name, err)
			}
		}
	}
	for _, m := range c.Members {
		if owed := c.MemberCluster(m.Name).Status.PendingDeletions; len(owed) > 0 {
			say("%s owes %v", m.Name, owed)
		}
	}
	return list
}
