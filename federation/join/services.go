package join

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/propagate"
)

// findServices finds the Services that the syncer has created in the member, or adopted.
func (l *Leaving) findServices(ctx context.Context) error {
	list, err := l.member.core.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		LabelSelector: propagate.LabelFederation,
	})
	if err != nil {
		return l.member.errorf(err, "Services")
	}
	for i := range list.Items {
		if s := &list.Items[i]; propagate.MarkOf(s.Annotations).Of(l.owner, s.Namespace, s.Name) {
			l.services = append(l.services, s)
		}
	}
	return nil
}

// given is what becomes of a Service that was adopted.
const given Result = "given back"

// removeService deletes a Service that the syncer has created, and gives back one that it has adopted (G6, G7): what is
// there now, whatever was found before.
func (l *Leaving) removeService(ctx context.Context, found *corev1.Service) error {
	services := l.member.core.CoreV1().Services(found.Namespace)
	what := "service/" + found.Name
	for range 5 { // its status may change meanwhile
		have, err := services.Get(ctx, found.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			have, err = nil, nil
		}
		var step propagate.Step
		if err == nil {
			step, err = propagate.Remove(propagate.MarkOf(found.Annotations), have)
		}
		result := Gone
		switch {
		case err != nil:
		case step.Action == propagate.Delete:
			result = Deleted
			err = services.Delete(ctx, found.Name, metav1.DeleteOptions{
				Preconditions: &metav1.Preconditions{UID: &step.UID, ResourceVersion: &step.ResourceVersion},
			})
		case step.Action == propagate.Patch:
			result = given
			_, err = services.Patch(ctx, found.Name, types.JSONPatchType, step.Body, metav1.PatchOptions{
				FieldManager: Manager,
			})
		}
		if apierrors.IsConflict(err) || apierrors.IsInvalid(err) || apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return l.member.errorf(err, what+" in "+found.Namespace)
		}
		l.Progress.Wrote(l.member.role, what, result, "in "+found.Namespace)
		return nil
	}
	return fmt.Errorf("the %s: %s in %s changes all the time; run the same again", l.member, what, found.Namespace)
}

// servicesLeft returns commands for the Services that a member which is not reached may have, as far as the host knows
// them.
func (l *Leaving) servicesLeft(ctx context.Context, context string) (list []string) {
	add := func(namespace, name string) {
		list = append(list, fmt.Sprintf("kubectl --context %s -n %s delete service/%s", context, namespace, name))
	}
	if l.cluster != nil {
		owed, _, _ := unstructured.NestedStringSlice(l.cluster.Object, "status", "pendingDeletions")
		for _, one := range owed {
			namespace, name, _ := strings.Cut(one, "/")
			add(namespace, name)
		}
	}
	all, err := l.host.objects.Resource(v1alpha1.GroupVersion.WithResource("federatedservices")).List(ctx,
		metav1.ListOptions{})
	if err != nil {
		return list // there may be no such kind
	}
	for i := range all.Items {
		clusters, _, _ := unstructured.NestedSlice(all.Items[i].Object, "status", "clusters")
		for _, c := range clusters {
			one, _ := c.(map[string]any)
			if one["cluster"] == l.Name && one["state"] != string(v1alpha1.ClusterMissing) {
				add(all.Items[i].GetNamespace(), all.Items[i].GetName())
			}
		}
	}
	return list
}
