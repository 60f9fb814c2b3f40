package host

import (
	"context"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// Informers notes how the requests of informers of the host end.
type Informers struct {
	said    *SaidOnce
	errorAt atomic.Int64 // when a request failed last, in Unix nanoseconds
}

// NewInformers returns an Informers that says what is wrong by said.
func NewInformers(said *SaidOnce) *Informers { return &Informers{said: said} }

// Prepare is for an informer that does not run yet. Its objects have no managed fields. refused is called if they
// cannot be listed or watched because there is no such kind, or no right; every other error is logged.
func (i *Informers) Prepare(informer cache.SharedIndexInformer, kind string, refused func(error)) {
	// The errors are those of an informer that runs already, or has another transformation.
	_ = informer.SetTransform(func(obj any) (any, error) {
		if m, ok := obj.(metav1.Object); ok {
			m.SetManagedFields(nil)
		}
		return obj, nil
	})
	_ = informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
		if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			return
		}
		i.errorAt.Store(time.Now().UnixNano())
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
			refused(err)
			return
		}
		i.said.Error(kind, "cannot watch the "+kind+" of the host; retrying", err)
	})
}

// Failing reports whether a request failed within the last minute.
func (i *Informers) Failing() bool {
	at := i.errorAt.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < time.Minute
}
