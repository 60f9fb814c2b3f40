package federation

import (
	"context"
	"time"
)

// Names of a federation that may be something else, too (Q4).

// ours reports whether a question that matches is ours after all. Before the kubernetes plugin has synced that is not
// known, except for names that are no Service's: those are left alone.
//
//go:noinline
func (a *answerer) ours() bool {
	a.synced = a.f.isSynced()
	switch {
	case !a.synced:
		return !a.m.empty()
	case a.m.empty():
		return a.f.emptyName(&a.m)
	}
	return a.f.expands(&a.m)
}

// emptyName reports whether F.svc.Z or N.F.svc.Z is an empty non-terminal of
// ours rather than a name of the kubernetes plugin's (Q4c).
func (f *Federation) emptyName(m *match) bool {
	if f.collides(m.fed) {
		return false
	}
	return m.shape == shapeBare || f.namespaceExists(m.namespace)
}

// expands decides on a name that may also be one of an ordinary namespace
// with the federation's name (Q4a), or of the Internet, search-expanded (Q4b).
func (f *Federation) expands(m *match) bool {
	if f.collides(m.fed) {
		if m.shape == shapeEndpoint {
			return len(f.indexes.SvcIndex(m.key)) > 0
		}
		if len(f.indexes.SvcIndex(m.namespace+"."+string(m.fed.Name))) > 0 {
			return false
		}
		return f.namespaceExists(m.namespace)
	}
	return m.fed.topLevel == "" || f.namespaceExists(m.namespace)
}

// collides reports whether a namespace has the federation's name. One that has
// just been made may be passed over for a tenth of a second.
func (f *Federation) collides(fed *fed) bool {
	if fed.noNamespace.Load() {
		return false
	}
	if f.namespaceExists(string(fed.Name)) {
		return true
	}
	fed.noNamespace.Store(true)
	time.AfterFunc(100*time.Millisecond, func() { fed.noNamespace.Store(false) }) // cheaper than a look at the clock each time
	return false
}

func (f *Federation) namespaceExists(name string) bool {
	_, err := f.indexes.GetNamespaceByName(name)
	return err == nil
}

// collisionEvery is how often a collision is logged at most.
const collisionEvery = time.Hour

// watchCollisions reports federations that have the name of a namespace, at
// start and at most once an hour (Q4a).
func (f *Federation) watchCollisions(ctx context.Context) {
	var told time.Time
	counted := 0
	defer func() { collisions.Sub(float64(counted)) }()
	for wait := 100 * time.Millisecond; ; {
		if f.isSynced() {
			wait = time.Minute
			count := 0
			for _, fed := range f.feds {
				if !f.namespaceExists(string(fed.Name)) {
					continue
				}
				count++
				if time.Since(told) >= collisionEvery {
					log.Warningf("federation %q has the name of a namespace of this cluster: names of Services in that namespace are not expanded", fed.Name)
				}
			}
			if count > 0 && time.Since(told) >= collisionEvery {
				told = time.Now()
			}
			collisions.Add(float64(count - counted)) // other server blocks have theirs
			counted = count
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			wait = min(2*wait, time.Minute)
		}
	}
}
