package propagate

import (
	"crypto/sha256"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Applied returns those entries of the managers of a Service that say what we have applied: one, or none.
func Applied(o *metav1.ObjectMeta) (entries []metav1.ManagedFieldsEntry) {
	for _, e := range o.ManagedFields {
		if ofObject(e) && e.Manager == Manager && e.Operation == metav1.ManagedFieldsOperationApply {
			entries = append(entries, e)
		}
	}
	return entries
}

// Trace returns a text that stays the same as long as a Service has all fields as we have applied them; "" if we have
// applied none. Whoever changes or removes a field of ours, by whatever request, takes it out of our entry among the
// managers; a change of the status, or of a field that is not ours, leaves that entry alone. So a watch of the metadata
// shows whether there is anything to apply.
func Trace(o *metav1.ObjectMeta) string {
	entries := Applied(o)
	if len(entries) == 0 {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %t", o.UID, o.DeletionTimestamp != nil)
	for _, e := range entries {
		var at int64
		if e.Time != nil {
			at = e.Time.Unix()
		}
		fmt.Fprintf(h, " %s %d %s", e.APIVersion, at, e.FieldsV1.GetRawBytes())
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
