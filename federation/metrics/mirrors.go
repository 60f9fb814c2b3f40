package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/federation-dns/federation/federation/snapshot"
)

// mirrors are the metrics of the members' mirrors.
type mirrors struct {
	fresh, renewed, services *prometheus.GaugeVec
	writes, bytes            *prometheus.CounterVec
}

func (m *mirrors) gauges() []*prometheus.GaugeVec {
	return []*prometheus.GaugeVec{m.fresh, m.renewed, m.services}
}

// MirrorWrite counts a write to a member's mirror; err is nil for one that was made. Any goroutine may call it.
func (f *Federation) MirrorWrite(member string, bytes int, err error) {
	result := "ok"
	switch {
	case err == nil:
		f.m.mirrors.bytes.MustCurryWith(f.labels).WithLabelValues(member).Add(float64(bytes))
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		result = "conflict"
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsNotFound(err):
		result = "refused"
	default:
		result = "failed"
	}
	f.m.mirrors.writes.MustCurryWith(f.labels).WithLabelValues(member, result).Inc()
}

// observeMirrors sets the gauges of the members' mirrors; a member without one has none.
func (f *Federation) observeMirrors(s *snapshot.Federation) {
	for _, v := range f.m.mirrors.gauges() {
		v.DeletePartialMatch(f.labels)
	}
	for i := range s.Members {
		name := s.Members[i].Name
		st, ok := s.Views.MirrorOf(name)
		if !ok {
			continue
		}
		set := func(v *prometheus.GaugeVec, value float64) {
			v.MustCurryWith(f.labels).WithLabelValues(name).Set(value)
		}
		set(f.m.mirrors.fresh, oneIf(st.Fresh))
		set(f.m.mirrors.services, float64(st.Services))
		renewed := 0.0
		if !st.Renewed.IsZero() {
			renewed = float64(st.Renewed.UnixMilli()) / 1000
		}
		set(f.m.mirrors.renewed, renewed)
	}
}
