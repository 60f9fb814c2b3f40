// Package federate makes FederatedServices of the manifests of plain Services. It is pure: where manifests come from,
// and where the objects go, is up to the caller.
package federate

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation"
)

// Object is a manifest.
type Object = unstructured.Unstructured

// Options are what the manifests do not say.
type Options struct {
	// Federation is that of Services without the label; "" asks Default.
	Federation string
	// Default returns the federation of Services without the label if Federation is "".
	Default func() (string, error)
	// Namespace is that of objects that name none. Forced refuses those that name another one.
	Namespace string
	Forced    bool
	// Clusters are the members that are to have the Service; none leaves that to the object.
	Clusters []string
	// Adopt is whether Services that exist in members are taken over.
	Adopt bool
}

// Federated is a FederatedService made of a manifest.
type Federated struct {
	Object *Object
	// LeftOut are the fields of the manifest that belong to one cluster, and are not in the object.
	LeftOut []string
}

const labelPrefix = "federation-dns.io/"

// The label and the annotation that a plain Service in a member has.
const (
	labelFederation = labelPrefix + "federation"
	annotationTTL   = labelPrefix + "ttl"
)

// New returns the FederatedService of a plain Service, or a manifest that is one already, as the options complete it.
// Fields that it does not know stay, so that the API server refuses those that are misspelt.
func New(manifest *Object, o Options) (*Federated, error) {
	kind := manifest.GroupVersionKind()
	federated := kind.Group == v1alpha1.GroupVersion.Group && kind.Kind == "FederatedService"
	switch {
	case !federated && (kind.Group != "" || kind.Kind != "Service"):
		what := kind.Kind
		if what == "Service" {
			what += " of " + kind.Group
		}
		return nil, fmt.Errorf("only a Service has a FederatedService: create the %s in each member, by kubectl", what)
	case manifest.GetName() == "":
		return nil, errors.New("metadata.name is missing: it is that of the Service in every member")
	case o.Forced && manifest.GetNamespace() != "" && manifest.GetNamespace() != o.Namespace:
		return nil, fmt.Errorf("it is in the namespace %q, and -n says %q", manifest.GetNamespace(), o.Namespace)
	}
	f := &Federated{Object: &Object{Object: map[string]any{}}}
	f.Object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("FederatedService"))
	f.Object.SetName(manifest.GetName())
	f.Object.SetNamespace(manifest.GetNamespace())
	if f.Object.GetNamespace() == "" {
		f.Object.SetNamespace(o.Namespace)
	}
	spec, err := objectAt(manifest.DeepCopy(), "spec")
	if err != nil {
		return nil, err
	}
	if federated {
		f.Object.SetLabels(manifest.GetLabels())
		f.Object.SetAnnotations(annotations(manifest)) // all of them nil if there are none
	} else if spec, err = f.wrap(manifest, spec); err != nil {
		return nil, err
	}
	if err := o.complete(spec); err != nil {
		return nil, err
	}
	f.Object.Object["spec"] = spec
	slices.Sort(f.LeftOut)
	return f, nil
}

// complete sets what the options say, and a spec does not.
func (o Options) complete(spec map[string]any) error {
	set := func(field, flag string, value any) error {
		if has, ok := spec[field]; ok && !reflect.DeepEqual(has, value) {
			return fmt.Errorf("its %s is %v, and --%s says otherwise: leave one of the two out", field, has, flag)
		}
		spec[field] = value
		return nil
	}
	var errs []error
	if o.Federation != "" {
		errs = append(errs, set("federation", "federation", o.Federation))
	} else if _, ok := spec["federation"]; !ok {
		name, err := o.Default()
		if err != nil {
			return err
		}
		spec["federation"] = name
	}
	if o.Adopt {
		errs = append(errs, set("adopt", "adopt", true))
	}
	if len(o.Clusters) > 0 {
		list := make([]any, len(o.Clusters))
		for i, c := range o.Clusters {
			list[i] = c
		}
		errs = append(errs, set("placement", "clusters", map[string]any{"clusters": list}))
	}
	return errors.Join(errs...)
}

// wrap returns the spec of a FederatedService with the Service as its template.
func (f *Federated) wrap(service *Object, spec map[string]any) (map[string]any, error) {
	out := map[string]any{}
	if name, ok := service.GetLabels()[labelFederation]; ok {
		if _, err := federation.ParseName(name); err != nil {
			return nil, fmt.Errorf("its label %s: %w", labelFederation, err)
		}
		out["federation"] = name
	}
	if text, ok := service.GetAnnotations()[annotationTTL]; ok {
		ttl, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("its annotation %s is %q: a number of seconds is allowed", annotationTTL, text)
		}
		out["ttl"] = ttl
	}
	template := map[string]any{"spec": spec}
	metadata := map[string]any{}
	if labels := without(service.GetLabels(), labelFederation, "labels", f); len(labels) > 0 {
		metadata["labels"] = labels
	}
	if kept := without(annotations(service), annotationTTL, "annotations", f); len(kept) > 0 {
		metadata["annotations"] = kept
	}
	if len(metadata) > 0 {
		template["metadata"] = metadata
	}
	for _, field := range []string{"ownerReferences", "finalizers"} {
		if _, ok, _ := unstructured.NestedFieldNoCopy(service.Object, "metadata", field); ok {
			f.LeftOut = append(f.LeftOut, "metadata."+field)
		}
	}
	f.strip(spec, service.GetUID() != "")
	out["template"] = template
	return out, nil
}

// annotations returns those of an object without what kubectl apply notes for itself.
func annotations(o *Object) map[string]string {
	list := o.GetAnnotations()
	delete(list, corev1.LastAppliedConfigAnnotation)
	return list
}

// without returns a map without our own keys, which belong to one member; known is told elsewhere.
func without(list map[string]string, known, where string, f *Federated) map[string]any {
	kept := map[string]any{}
	for key, value := range list {
		switch {
		case !strings.HasPrefix(key, labelPrefix):
			kept[key] = value
		case key != known:
			f.LeftOut = append(f.LeftOut, "metadata."+where+"["+key+"]")
		}
	}
	return kept
}

// objectAt returns the map in a field; it is an error if there is something else.
func objectAt(o *Object, field string) (map[string]any, error) {
	m, ok, err := unstructured.NestedMap(o.Object, field)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s is missing, or is no object", field)
	}
	return m, nil
}
