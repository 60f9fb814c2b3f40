package propagate

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/federation-dns/federation/api/v1alpha1"
)

// Mark is the value of the annotations by which a Service is known as ours: the owner id of the syncer, and the
// namespace and name of the FederatedService. It has no UID: a host that was restored from a backup has other UIDs, and
// its Services would be strangers (G1).
type Mark string

// NewMark returns the mark of a FederatedService of the syncer with this owner id.
func NewMark(owner, namespace, name string) Mark { return Mark(owner + "/" + namespace + "/" + name) }

// MarkOf returns the mark of a Service with these annotations, whatever syncer it is of; "" if it has none.
func MarkOf(annotations map[string]string) Mark {
	for _, key := range []string{AnnotationCreatedBy, AnnotationAdoptedBy} {
		if value := annotations[key]; value != "" {
			return Mark(value)
		}
	}
	return ""
}

// Of reports whether the mark is one of the syncer with this owner id, for a Service of this namespace and name.
func (m Mark) Of(owner, namespace, name string) bool { return m == NewMark(owner, namespace, name) }

// Owner returns the owner id.
func (m Mark) Owner() string {
	parts := strings.Split(string(m), "/")
	return strings.Join(parts[:max(len(parts)-2, 0)], "/")
}

// Want is what the Service of a FederatedService is to be like, in every member that has it.
type Want struct {
	Mark            Mark
	Namespace, Name string
	Federation      string
	Template        v1alpha1.ServiceTemplate
	TTL             *int32
	Adopt           bool
}

// NewWant returns what the Services of f are to be like; owner is the syncer's owner id.
func NewWant(owner string, f *v1alpha1.FederatedService) *Want {
	return &Want{
		Mark: NewMark(owner, f.Namespace, f.Name), Namespace: f.Namespace, Name: f.Name,
		Federation: f.Spec.Federation, Template: f.Spec.Template, TTL: f.Spec.TTL, Adopt: f.Spec.Adopt,
	}
}

// noVersion is a resource version that no object has: an API server compares it where an object is, answers 409, and
// leaves it aside where none is. The first revision that etcd gives to a write is 2.
const noVersion = "1"

// body returns what is applied (G1): the template without what each member allocates itself, with the label and one of
// the annotations. With a uid, only the Service that has it is changed, and none is created (G3); without one, a
// Service is created, and none is changed (G2).
func (w *Want) body(annotation string, uid types.UID) ([]byte, error) {
	spec, err := w.spec()
	if err != nil {
		return nil, err
	}
	labels, annotations := own(w.Template.Metadata.Labels), own(w.Template.Metadata.Annotations)
	labels[LabelFederation] = w.Federation
	annotations[annotation] = string(w.Mark)
	if w.TTL != nil {
		annotations[annotationTTL] = strconv.Itoa(int(*w.TTL))
	}
	metadata := map[string]any{
		"namespace": w.Namespace, "name": w.Name, "labels": labels, "annotations": annotations,
	}
	if uid != "" {
		metadata["uid"] = uid
	} else {
		metadata["resourceVersion"] = noVersion
	}
	return json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
}

// own returns a copy without the keys that are the syncer's to set. The schema refuses them, too.
func own(in map[string]string) map[string]string {
	out := maps.Clone(in)
	if out == nil {
		out = map[string]string{}
	}
	maps.DeleteFunc(out, func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
	return out
}

// spec returns the fields that the template has, but for those of one cluster.
func (w *Want) spec() (map[string]any, error) {
	s := w.Template.Spec.DeepCopy()
	if s.ClusterIP != corev1.ClusterIPNone {
		s.ClusterIP = ""
	}
	s.ClusterIPs, s.HealthCheckNodePort, s.ExternalIPs = nil, 0, nil
	s.LoadBalancerIP = ""
	spec, err := runtime.DefaultUnstructuredConverter.ToUnstructured(s)
	if err != nil {
		return nil, fmt.Errorf("spec.template.spec: %w", err)
	}
	ports, _ := spec["ports"].([]any)
	for i, p := range ports {
		port, ok := p.(map[string]any)
		if !ok {
			continue
		}
		delete(port, "nodePort")
		if t := s.Ports[i].TargetPort; t.IntVal == 0 && t.StrVal == "" {
			delete(port, "targetPort") // it has no omitempty
		}
	}
	return spec, nil
}
