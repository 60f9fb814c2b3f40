package stage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/mirror"
	"github.com/federation-dns/federation/test/proc"
)

// Mirrors are what a member keeps for its own pods.
type Mirrors struct{ *Member }

// Mirrors returns the mirrors of the member.
func (m *Member) Mirrors() Mirrors { return Mirrors{m} }

func (m Mirrors) objects() corev1client.ConfigMapInterface {
	return m.client.CoreV1().ConfigMaps(mirror.Namespace)
}

// Of returns what the member's mirror of a zone says, by service. An error says why it vouches for nothing.
func (m Mirrors) Of(ctx context.Context, z Zone) (map[federation.ServiceName]mirror.Service, error) {
	id := mirror.IdentityOf(z.Federation)
	list, err := m.objects().List(ctx, metav1.ListOptions{LabelSelector: mirror.Label + "=" + string(z.Name)})
	if err != nil {
		return nil, err
	}
	data := map[string]map[string]string{}
	for i := range list.Items {
		data[list.Items[i].Name] = list.Items[i].Data
	}
	h, err := mirror.DecodeHeartbeat(data[id.HeartbeatName()])
	if err != nil {
		return nil, err
	}
	out := map[federation.ServiceName]mirror.Service{}
	for i, b := range h.Buckets {
		bucket := data[id.BucketName(i, len(h.Buckets))]
		if hash := mirror.Hash(bucket); hash != b.Hash {
			return nil, fmt.Errorf("bucket %d has the hash %s, the heartbeat vouches for %q", i, hash, b.Hash)
		}
		_, services, err := mirror.DecodeBucket(bucket)
		if err != nil {
			return nil, err
		}
		for _, s := range services {
			out[s.ServiceName()] = s
		}
	}
	return out, nil
}

// Delete deletes the objects of all mirrors, or the heartbeats alone.
func (m Mirrors) Delete(ctx context.Context, heartbeats bool) error {
	return m.each(ctx, func(cm *corev1.ConfigMap) error {
		if heartbeats && !mirror.IsHeartbeat(cm.Data) {
			return nil
		}
		return m.objects().Delete(ctx, cm.Name, metav1.DeleteOptions{})
	})
}

// Edit edits each bucket as somebody does who knows better: every second service is not there any more.
func (m Mirrors) Edit(ctx context.Context) error {
	return m.each(ctx, func(cm *corev1.ConfigMap) error {
		if mirror.IsHeartbeat(cm.Data) {
			return nil
		}
		for key, text := range cm.Data {
			if !strings.Contains(text, `"namespace":`) {
				continue // it has no services
			}
			var kept []string
			for i, line := range strings.SplitAfter(text, "\n") {
				if i%2 == 0 {
					kept = append(kept, line)
				}
			}
			cm.Data[key] = strings.Join(kept, "")
		}
		_, err := m.objects().Update(ctx, cm, metav1.UpdateOptions{})
		return err
	})
}

// ownerField is where an object says whose it is.
var ownerField = regexp.MustCompile(`("owner": *)"[^"]*"`)

// foreignOwner is whose objects Usurp puts there.
const foreignOwner = "somebody-else"

// Usurp makes the objects of all mirrors another owner's, and returns what they are then, by name.
func (m Mirrors) Usurp(ctx context.Context) (map[string]map[string]string, error) {
	made := map[string]map[string]string{}
	return made, m.each(ctx, func(cm *corev1.ConfigMap) error {
		for key, text := range cm.Data {
			cm.Data[key] = ownerField.ReplaceAllString(text, fmt.Sprintf("${1}%q", foreignOwner))
		}
		if mirrorOwner(cm.Data) != foreignOwner {
			return fmt.Errorf("ConfigMap %s does not say its owner as it should", cm.Name)
		}
		_, err := m.objects().Update(ctx, cm, metav1.UpdateOptions{})
		if err == nil {
			made[cm.Name] = cm.Data
		}
		return err
	})
}

// Usurped says which of these objects are not what Usurp has made of them, and removes the others.
func (m Mirrors) Usurped(ctx context.Context, made map[string]map[string]string) (changed []string, err error) {
	for name, data := range made {
		cm, err := m.objects().Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			changed = append(changed, name+" is gone")
			continue
		case err != nil:
			return changed, err
		case !maps.Equal(cm.Data, data):
			changed = append(changed, name+" is "+mirrorOwner(cm.Data)+"'s")
			continue
		}
		if err := m.objects().Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// mirrorOwner is whose an object of a mirror says to be.
func mirrorOwner(data map[string]string) string {
	if h, err := mirror.DecodeHeartbeat(data); err == nil {
		return h.Owner
	}
	header, _, _ := mirror.DecodeBucket(data) // what cannot be read is nobody's
	return header.Owner
}

// each does something with each object of the mirrors. If it has changed meanwhile, it is read again.
func (m Mirrors) each(ctx context.Context, do func(*corev1.ConfigMap) error) error {
	list, err := m.objects().List(ctx, metav1.ListOptions{LabelSelector: mirror.Label})
	if err != nil {
		return err
	}
	for i := range list.Items {
		cm := &list.Items[i]
		for err := do(cm); err != nil; err = do(cm) {
			if apierrors.IsNotFound(err) {
				break
			}
			if !apierrors.IsConflict(err) {
				return err
			}
			if cm, err = m.objects().Get(ctx, cm.Name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
				break
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}

// DeleteNamespace deletes the namespace of the mirrors with all that is in it, the rights too.
func (m Mirrors) DeleteNamespace(ctx context.Context) error {
	return m.client.CoreV1().Namespaces().Delete(ctx, mirror.Namespace, metav1.DeleteOptions{})
}

// Grant gives the syncer and CoreDNS the rights of the mirrors, as they are shipped, once the namespace can be
// had.
func (m Mirrors) Grant(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return proc.Poll(ctx, "the namespace of the mirrors", func() error {
		ns, err := m.client.CoreV1().Namespaces().Get(ctx, mirror.Namespace, metav1.GetOptions{})
		if err == nil && ns.DeletionTimestamp != nil {
			return errors.New("it is still being deleted")
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		_, err = m.Kubectl(ctx, "", "apply", "-f", filepath.Join(m.deploy, "member-mirror-rbac.yaml"))
		return err
	})
}

// Restrict takes the right to write the mirrors away from the syncer's account; if heartbeats, only that to
// write heartbeats. Grant gives it again.
func (m Mirrors) Restrict(ctx context.Context, heartbeats bool) error {
	roles := m.client.RbacV1().Roles(mirror.Namespace)
	role, err := roles.Get(ctx, accountName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	read := rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"configmaps"},
		Verbs: []string{"get", "list", "watch"}}
	role.Rules = []rbacv1.PolicyRule{read}
	if heartbeats {
		write := rbacv1.PolicyRule{APIGroups: read.APIGroups, Resources: read.Resources, Verbs: []string{"update"}}
		err := m.each(ctx, func(cm *corev1.ConfigMap) error {
			if !mirror.IsHeartbeat(cm.Data) {
				write.ResourceNames = append(write.ResourceNames, cm.Name)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(write.ResourceNames) > 0 { // without a name it would be the right to all
			role.Rules = append(role.Rules, write)
		}
	}
	_, err = roles.Update(ctx, role, metav1.UpdateOptions{})
	return err
}
