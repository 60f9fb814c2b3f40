package propagate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// ofObject reports whether an entry is of the object itself, and not of its status.
func ofObject(e metav1.ManagedFieldsEntry) bool { return e.Subresource == "" && e.FieldsV1 != nil }

// specManagers returns the other managers that have fields of the spec, sorted.
func specManagers(have *corev1.Service) []string {
	return managers(have, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager != Manager && hasPath(e, "f:spec")
	})
}

// appliers returns the other managers that use server-side apply, sorted: tools that would set their fields again, and
// know no way to let go of them (G5).
func appliers(have *corev1.Service) []string {
	return managers(have, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager != Manager && e.Operation == metav1.ManagedFieldsOperationApply
	})
}

func managers(have *corev1.Service, match func(metav1.ManagedFieldsEntry) bool) (names []string) {
	for _, e := range have.ManagedFields {
		if ofObject(e) && match(e) {
			names = append(names, e.Manager)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hasPath reports whether an entry has a field at a path of the form of FieldsV1. What cannot be read has every field.
func hasPath(e metav1.ManagedFieldsEntry, path ...string) bool {
	raw := e.FieldsV1.GetRawBytes()
	for _, key := range path {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			return true
		}
		next, ok := fields[key]
		if !ok {
			return false
		}
		raw = next
	}
	return true
}

// patch is a JSON patch. The version in it must be the present one, else the answer is 409.
type patch []map[string]any

func newPatch(have *corev1.Service) patch {
	return patch{
		{"op": "test", "path": "/metadata/uid", "value": have.UID},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": have.ResourceVersion},
	}
}

func (p *patch) add(op, path string, value any) {
	o := map[string]any{"op": op, "path": path}
	if op != "remove" {
		o["value"] = value
	}
	*p = append(*p, o)
}

func pointer(field, key string) string {
	return "/metadata/" + field + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// giveBack returns the JSON patch that makes a Service a stranger: without our entries among the managers, our
// annotations and our label. All else stays as it is: an empty apply would reset what was taken over (G6).
func giveBack(mark Mark, have *corev1.Service) ([]byte, error) {
	p, left := newPatch(have), []metav1.ManagedFieldsEntry{}
	for _, e := range have.ManagedFields {
		if e.Manager != Manager {
			left = append(left, e)
		}
	}
	remove := func(field, key string, values map[string]string) {
		value, ok := values[key]
		if !ok || slices.ContainsFunc(left, func(e metav1.ManagedFieldsEntry) bool {
			return ofObject(e) && hasPath(e, "f:metadata", "f:"+field, "f:"+key)
		}) {
			return
		}
		p.add("test", pointer(field, key), value)
		p.add("remove", pointer(field, key), nil)
	}
	remove("annotations", annotationTTL, have.Annotations)
	remove("labels", LabelFederation, have.Labels)
	for _, key := range []string{AnnotationCreatedBy, AnnotationAdoptedBy} {
		if have.Annotations[key] == string(mark) {
			p.add("test", pointer("annotations", key), mark)
			p.add("remove", pointer("annotations", key), nil)
		}
	}
	p.add("replace", "/metadata/managedFields", left)
	return json.Marshal(p)
}

// adopt returns the JSON patch that takes over the spec of a Service from managers that do not use server-side apply,
// such as kubectl and Helm: as long as they had it, a changed port would be refused even by force (G5). Labels and
// annotations stay theirs, among them those that controllers have set.
func adopt(mark Mark, have *corev1.Service) ([]byte, error) {
	taken, names, rest, err := split(have.ManagedFields)
	if err != nil {
		return nil, err
	}
	object := &corev1.Service{ObjectMeta: metav1.ObjectMeta{ManagedFields: taken}}
	if err := csaupgrade.UpgradeManagedFields(object, names, Manager); err != nil {
		return nil, err
	}
	p := newPatch(have)
	if have.Annotations == nil {
		p.add("add", "/metadata/annotations", map[string]string{})
	}
	p.add("add", pointer("annotations", AnnotationAdoptedBy), mark)
	p.add("replace", "/metadata/managedFields", append(object.ManagedFields, rest...))
	return json.Marshal(p)
}

// split returns the entries with those of clients, named in names, cut down to the spec; rest has what was cut off.
func split(entries []metav1.ManagedFieldsEntry) (
	taken []metav1.ManagedFieldsEntry, names sets.Set[string], rest []metav1.ManagedFieldsEntry, err error,
) {
	spec := fieldpath.MakePrefixMatcherOrDie("spec")
	names = sets.New[string]()
	for _, e := range entries {
		if !ofObject(e) || e.Operation != metav1.ManagedFieldsOperationUpdate || !hasPath(e, "f:spec") {
			taken = append(taken, e)
			continue
		}
		var all fieldpath.Set
		if err := all.FromJSON(e.FieldsV1.GetRawReader()); err != nil {
			return nil, nil, nil, fmt.Errorf("the fields of the manager %q: %w", e.Manager, err)
		}
		inside := all.FilterIncludeMatches(spec)
		names.Insert(e.Manager)
		for _, part := range []struct {
			of *fieldpath.Set
			to *[]metav1.ManagedFieldsEntry
		}{{inside, &taken}, {all.Difference(inside), &rest}} {
			if part.of.Empty() {
				continue
			}
			raw, err := part.of.ToJSON()
			if err != nil {
				return nil, nil, nil, err
			}
			cut := e
			cut.FieldsV1 = metav1.NewFieldsV1(string(raw))
			*part.to = append(*part.to, cut)
		}
	}
	return taken, names, rest, nil
}
