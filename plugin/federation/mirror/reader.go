package mirror

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	clog "github.com/coredns/coredns/plugin/pkg/log"
	api "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	form "github.com/federation-dns/federation/federation/mirror"
)

var log = clog.NewWithPlugin("federation")

const (
	firstRetry   = time.Second // doubled each time, up to lastRetry
	lastRetry    = 30 * time.Second
	listTimeout  = 30 * time.Second
	watchTimeout = 5 * time.Minute // and up to twice that
)

// ConfigMaps lists and watches the ConfigMaps of a namespace. client-go's clients of ConfigMaps do.
type ConfigMaps interface {
	List(ctx context.Context, opts meta.ListOptions) (*api.ConfigMapList, error)
	Watch(ctx context.Context, opts meta.ListOptions) (watch.Interface, error)
}

// Reader keeps mirrors what they are in the cluster. Its exported fields are set before Run.
type Reader struct {
	// Cluster tells the clusters apart that one CoreDNS reads, such as the address of the API server.
	Cluster   string
	Namespace string
	Client    ConfigMaps
	// Mirrors are those of the federations.
	Mirrors []*Mirror

	version string // of the list or the event that was read last; "" if a list is needed
	said    string // the last error
}

// Run reads until ctx ends. What cannot be read is tried again, and said once: the mirrors stay as they were, and cease
// to be fresh.
func (r *Reader) Run(ctx context.Context) {
	r.takeOver()
	defer registered.add(r.Mirrors)()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { r.report(ctx) })
	for retry := firstRetry; ctx.Err() == nil; {
		err := r.read(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			retry = firstRetry
			continue
		}
		r.version = ""
		if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			continue // the list says what the watch cannot
		}
		r.say(err)
		wait(ctx, retry/2+rand.N(retry))
		retry = min(2*retry, lastRetry)
	}
}

// lastMirrors are the mirrors that were read last, by what they are of. An instance of CoreDNS that takes over at a
// reload begins with what the one before it knew, as it was: no question has to wait for the first list.
var lastMirrors sync.Map

// origin is what a mirror is of, and where it is read.
type origin struct {
	cluster, namespace string
	id                 form.Identity
}

func (r *Reader) takeOver() {
	for _, m := range r.Mirrors {
		if last, ok := lastMirrors.Swap(origin{r.Cluster, r.Namespace, m.id}, m); ok {
			m.takeOver(last.(*Mirror))
		}
	}
}

// wait returns after the time, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// say logs what is wrong, once for each thing in turn, or with nil that nothing is any more.
func (r *Reader) say(err error) {
	text := ""
	switch {
	case apierrors.IsForbidden(err):
		text = fmt.Sprintf("the mirrors in namespace %q may not be read, so records are looked up through the "+
			"upstream: give CoreDNS the right to get, list and watch ConfigMaps there, or set \"mirror off\": %v",
			r.Namespace, err)
	case err != nil:
		text = fmt.Sprintf("the mirrors in namespace %q cannot be read: %v", r.Namespace, err)
	}
	switch {
	case text != "" && text != r.said:
		log.Warning(text)
	case text == "" && r.said != "":
		log.Infof("the mirrors in namespace %q can be read now", r.Namespace)
	}
	r.said = text
}

// read lists if it has to, and then watches until the watch ends. A watch that has ended as it should goes on where it
// was, by the next call.
func (r *Reader) read(ctx context.Context) error {
	if r.version == "" {
		if err := r.list(ctx); err != nil {
			return err
		}
	}
	seconds := int64((watchTimeout + rand.N(watchTimeout)).Seconds())
	opts := meta.ListOptions{LabelSelector: r.selector(), ResourceVersion: r.version, AllowWatchBookmarks: true,
		TimeoutSeconds: &seconds}
	w, err := r.Client.Watch(ctx, opts)
	if err != nil {
		return err
	}
	defer w.Stop()
	r.say(nil)
	started := time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, ok := <-w.ResultChan():
			switch {
			case !ok && time.Since(started) < firstRetry:
				return errors.New("the watch ended as soon as it had begun")
			case !ok:
				return nil
			}
			if err := r.event(event); err != nil {
				return err
			}
		}
	}
}

// selector selects the ConfigMaps of the federations' mirrors.
func (r *Reader) selector() string {
	names := make([]string, len(r.Mirrors))
	for i, m := range r.Mirrors {
		names[i] = string(m.id.Federation)
	}
	return fmt.Sprintf("%s in (%s)", form.Label, strings.Join(names, ","))
}

// list reads all ConfigMaps. It does not ask for those of a cache, as they may be older.
func (r *Reader) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	list, err := r.Client.List(ctx, meta.ListOptions{LabelSelector: r.selector()})
	if err != nil {
		return err
	}
	now := time.Now()
	for _, m := range r.Mirrors {
		objects := map[string]map[string]string{}
		for i := range list.Items {
			if o := &list.Items[i]; m.owns(o.Name) {
				objects[o.Name] = o.Data
			}
		}
		warn(m, m.List(now, objects))
	}
	r.version = list.ResourceVersion
	return nil
}

// event takes what a watch has delivered. An error ends it.
func (r *Reader) event(e watch.Event) error {
	if e.Type == watch.Error {
		return apierrors.FromObject(e.Object)
	}
	o, ok := e.Object.(*api.ConfigMap)
	if !ok {
		return fmt.Errorf("the watch has delivered a %T", e.Object)
	}
	r.version = o.ResourceVersion
	if e.Type == watch.Bookmark {
		return nil
	}
	data := o.Data
	if e.Type == watch.Deleted {
		data = nil
	} else if data == nil {
		data = map[string]string{}
	}
	now := time.Now()
	for _, m := range r.Mirrors {
		if m.owns(o.Name) {
			warn(m, m.Change(now, o.Name, data))
		}
	}
	return nil
}

// warn logs what is wrong with a ConfigMap.
func warn(m *Mirror, err error) {
	if err != nil {
		log.Warningf("federation %q: %v: it is not used", m.id.Federation, err)
	}
}

// report logs when a mirror begins or ceases to be fresh, until ctx ends.
func (r *Reader) report(ctx context.Context) {
	fresh := make([]bool, len(r.Mirrors))
	for ctx.Err() == nil {
		wait(ctx, time.Second)
		for i, m := range r.Mirrors {
			s := m.Standing(time.Now())
			switch {
			case s.Fresh && !fresh[i]:
				log.Infof("federation %q: its mirror is fresh: %d services", m.id.Federation, s.Services)
			case !s.Fresh && fresh[i] && s.Age >= freshFor:
				log.Warningf("federation %q: its mirror is not fresh: the syncer has not renewed it for %v",
					m.id.Federation, s.Age.Round(time.Second))
			case s.Fresh != fresh[i] && s.Age < freshFor:
				s.Fresh = fresh[i] // a bucket that is being written
			}
			fresh[i] = s.Fresh
		}
	}
}
