package federation

import (
	"context"
	"time"
)

// A name that matches may also be another one: of a namespace that has the federation's name, or of the Internet (Q4).

// ours reports whether a question that matches is ours after all. Before the kubernetes plugin has synced that is not
// known: every name of a Service counts as ours then, and no other does.
func (a *answerer) ours() bool {
	a.synced = a.f.isSynced()
	switch {
	case !a.synced:
		return !a.m.empty()
	case a.m.empty():
		return a.f.ownsEmptyName(&a.m)
	}
	return a.f.expands(&a.m)
}

// ownsEmptyName reports whether F.svc.Z or N.F.svc.Z is an empty non-terminal of ours rather than a name of the
// kubernetes plugin (Q4c).
func (f *Federation) ownsEmptyName(m *match) bool {
	if f.collides(m.fed) {
		return false
	}
	return m.shape == shapeBare || f.namespaceExists(m.namespace)
}

// expands reports whether a name is expanded that could also be one of a namespace with the federation's name (Q4a), or
// a name of the Internet with a search domain appended (Q4b).
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

// noNamespaceFor is how long it is remembered that no namespace has the federation's name: to look for what is not in
// the index costs more than all else in an answer from the indexes.
const noNamespaceFor = 100 * time.Millisecond

// collides reports whether a namespace has the federation's name. It may miss one that is younger than noNamespaceFor.
func (f *Federation) collides(fed *fedState) bool {
	if fed.noNamespace.Load() {
		return false
	}
	if f.namespaceExists(string(fed.Name)) {
		return true
	}
	fed.noNamespace.Store(true)
	time.AfterFunc(noNamespaceFor, func() { fed.noNamespace.Store(false) }) // cheaper than reading the clock each time
	return false
}

func (f *Federation) namespaceExists(name string) bool {
	_, err := f.indexes.GetNamespaceByName(name)
	return err == nil
}

// collisionLogInterval is the shortest time between two warnings.
const collisionLogInterval = time.Hour

// watchCollisions reports federations that have the name of a namespace: at start, and at most once an hour (Q4a).
func (f *Federation) watchCollisions(ctx context.Context) {
	var warned time.Time
	counted := 0
	defer func() { collisions.Sub(float64(counted)) }()
	for wait := 100 * time.Millisecond; ; {
		if f.isSynced() {
			wait = time.Minute
			found := f.collisions()
			if len(found) > 0 && time.Since(warned) >= collisionLogInterval {
				warned = time.Now()
				for _, fed := range found {
					log.Warningf("federation %q has the name of a namespace of this cluster: names of Services "+
						"in that namespace are not expanded", fed.Name)
				}
			}
			collisions.Add(float64(len(found) - counted)) // other server blocks have their own
			counted = len(found)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
			wait = min(2*wait, time.Minute)
		}
	}
}

// collisions are the federations that have the name of a namespace.
func (f *Federation) collisions() (found []*fedState) {
	for _, fed := range f.feds {
		if f.namespaceExists(string(fed.Name)) {
			found = append(found, fed)
		}
	}
	return found
}
