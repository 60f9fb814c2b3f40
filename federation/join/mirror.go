package join

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/mirror"
)

// MirrorRights are the rights that a member's mirror needs: the syncer's to write it, and CoreDNS's to read it.
type MirrorRights struct {
	// Wanted is whether there are to be any. Nil is what an earlier run was told, and otherwise yes. False takes away
	// those that join has made.
	Wanted *bool
	// Readers are the accounts of the member's CoreDNS, as NAMESPACE:NAME. None is those that are bound already, and
	// otherwise kubeadm's.
	Readers []string
}

// mirrorReaders is the RoleBinding of CoreDNS's accounts.
const mirrorReaders = "coredns"

// given reports whether there are to be rights; existing is the MemberCluster of an earlier run.
func (r MirrorRights) given(existing *Object) bool {
	if r.Wanted != nil {
		return *r.Wanted
	}
	return existing == nil || existing.GetAnnotations()[v1alpha1.AnnotationMirrorRights] != v1alpha1.MirrorRightsNone
}

// bindReaders has CoreDNS's accounts in the RoleBinding: those that are given, or those that are bound already.
func (j *joining) bindReaders(ctx context.Context) error {
	if !j.Mirror.given(j.existing) {
		if len(j.Mirror.Readers) > 0 {
			return errors.New("--coredns-account is for the mirror, which this member is not to have: say --mirror too")
		}
		return nil
	}
	var subjects []any
	for _, reader := range j.Mirror.Readers {
		namespace, name, ok := strings.Cut(reader, ":")
		if !ok || namespace == "" || name == "" {
			return fmt.Errorf("--coredns-account %q: want NAMESPACE:NAME of a ServiceAccount, like kube-system:coredns",
				reader)
		}
		subjects = append(subjects, map[string]any{"kind": rbacv1.ServiceAccountKind, "namespace": namespace,
			"name": name})
	}
	i := slices.IndexFunc(j.account.objects, func(o *Object) bool {
		return o.GetKind() == "RoleBinding" && o.GetNamespace() == mirror.Namespace && o.GetName() == mirrorReaders
	})
	binding := j.account.objects[i]
	if len(subjects) == 0 {
		have, err := j.member.get(ctx, "RoleBinding", mirror.Namespace, mirrorReaders)
		if err != nil {
			return err
		}
		if have == nil {
			have = binding
		}
		subjects, _, _ = unstructured.NestedSlice(have.Object, "subjects") // the API server has checked them
	}
	missing, err := j.member.missingAccounts(ctx, subjects)
	if err != nil {
		return err
	}
	for _, account := range missing {
		j.say("warning", fmt.Sprintf("the member has no ServiceAccount %s, which is to read the mirror: say by "+
			"--coredns-account which one its CoreDNS has", account))
	}
	return unstructured.SetNestedSlice(binding.Object, subjects, "subjects")
}

// missingAccounts returns those of the ServiceAccounts that are not there: a binding is taken without.
func (c *cluster) missingAccounts(ctx context.Context, subjects []any) (missing []string, err error) {
	for _, s := range subjects {
		subject, _ := s.(map[string]any)
		namespace, name := fmt.Sprint(subject["namespace"]), fmt.Sprint(subject["name"])
		if subject["kind"] != rbacv1.ServiceAccountKind {
			continue
		}
		account, err := c.get(ctx, "ServiceAccount", namespace, name)
		if err != nil {
			return nil, err
		}
		if account == nil {
			missing = append(missing, namespace+":"+name)
		}
	}
	return missing, nil
}

// withdrawMirror takes away what join has made for a mirror, if there is to be none, and the mirror with it.
func (j *joining) withdrawMirror(ctx context.Context) error {
	if j.Mirror.given(j.existing) {
		return nil
	}
	objects, err := readManifest(mirrorManifest)
	if err != nil {
		return err
	}
	for _, o := range slices.Backward(objects) {
		have, err := j.member.get(ctx, o.GetKind(), o.GetNamespace(), o.GetName())
		if err != nil {
			return err
		}
		if have == nil || !isOurs(have) {
			continue
		}
		if have.GetKind() == "Namespace" {
			what, err := j.member.emptyMirror(ctx, ownerOf(j.status, j.host.uid))
			if err != nil {
				return err
			}
			if what != "" {
				j.Progress.Wrote(j.member.role, title(have), Kept, "it has "+what)
				continue
			}
		}
		result, err := j.member.delete(ctx, have)
		if err != nil {
			return err
		}
		j.Progress.Wrote(j.member.role, title(have), result, "")
	}
	return nil
}

// ownerOf is the syncer's owner id: that of its status, or the UID of its host.
func ownerOf(status *admin.Status, hostUID string) string {
	if status != nil {
		for _, f := range status.Federations {
			if f.Owner != "" {
				return f.Owner
			}
		}
	}
	return hostUID
}

// emptyMirror deletes the mirrors of that owner, and says what else is in their namespace; "" is nothing.
func (c *cluster) emptyMirror(ctx context.Context, owner string) (kept string, err error) {
	maps := c.core.CoreV1().ConfigMaps(mirror.Namespace)
	list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: mirror.Label})
	if err != nil {
		return "", c.errorf(err, "the mirrors in "+mirror.Namespace)
	}
	for i := range list.Items {
		cm := &list.Items[i]
		if mirror.OwnerOf(cm.Data) != owner {
			continue
		}
		err := maps.Delete(ctx, cm.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &cm.UID}})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return "", c.errorf(err, "configmap/"+cm.Name)
		}
	}
	return c.contentOf(ctx, mirror.Namespace)
}

// mirrorNamespaceOf returns a command that deletes all that a member has for mirrors.
func mirrorNamespaceOf(context string) string {
	o := newObject("v1", "Namespace", "", mirror.Namespace, map[string]any{})
	return deleteCommand(context, o)
}

// isMirror reports whether an object is one of a mirror's rights, or their namespace.
func isMirror(o *Object) bool {
	return o.GetNamespace() == mirror.Namespace || o.GetKind() == "Namespace" && o.GetName() == mirror.Namespace
}
