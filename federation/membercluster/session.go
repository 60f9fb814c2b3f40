package membercluster

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/kubeconfig"
)

// session is a Controller at work with one client.
type session struct {
	*Controller
	*client
	statuses *writer
	watch    *watch
}

// take takes what the watch has: kubeconfigs first, so that a new member finds its own.
func (s *session) take() {
	if !s.watch.members.HasSynced() {
		if s.watch.noMembers.err() != nil {
			s.unknown()
		}
		return
	}
	if !s.watch.secrets.HasSynced() && s.watch.noSecrets.err() == nil {
		return
	}
	var members []config.Member
	keys := map[kubeconfig.SecretKey]bool{}
	for _, m := range s.watch.list() {
		key := kubeconfig.SecretKey(m.Spec.KubeconfigSecret)
		keys[key] = true
		version, data, err := s.content(key)
		s.opt.Secrets.Set(key, version, data, err)
		members = append(members, config.Member{Name: m.Name, Spec: m.Spec, UID: uid(m)})
	}
	s.opt.Secrets.Retain(keys)
	s.send(members)
}

// uid returns the UID of the cluster that a member is to be: the one that its admin says, or that was seen first.
func uid(m *v1alpha1.MemberCluster) string {
	return cmp.Or(m.Annotations[v1alpha1.AnnotationClusterID], m.Status.ClusterID)
}

// content returns the kubeconfig at a key of a Secret with the Secret's resource version, or why there is none.
func (s *session) content(key kubeconfig.SecretKey) (version string, data []byte, err error) {
	missing := func(format string, args ...any) (string, []byte, error) {
		return "", nil, fmt.Errorf("the Secret %q in the namespace %s: %w: %s",
			key.Name, s.namespace, kubeconfig.ErrNoKubeconfig, fmt.Sprintf(format, args...))
	}
	obj, ok, _ := s.watch.secrets.GetStore().GetByKey(s.namespace + "/" + key.Name) // there is no error
	if !ok {
		if err := s.watch.noSecrets.err(); err != nil {
			return missing("the syncer may not read it, apply deploy/host-rbac.yaml")
		}
		return missing("it does not exist")
	}
	secret := obj.(*corev1.Secret)
	data, ok = secret.Data[key.Key]
	if !ok {
		return missing("it has no key %q", key.Key)
	}
	return secret.ResourceVersion, data, nil
}

// report has each status written that is not as it is due to be.
func (s *session) report(ctx context.Context) {
	all := s.opt.Snapshots()
	if len(all) == 0 || !s.watch.members.HasSynced() {
		s.statuses.enqueue(nil)
		return
	}
	file, states := s.inUse(), byName(all)
	taken := map[string]bool{}
	for _, cl := range file.Clusters {
		taken[cl.Member.Name] = true
	}
	now, present := time.Now(), map[string]bool{}
	var changed []due
	for _, watched := range s.watch.list() {
		present[watched.Name] = true
		m := s.statuses.newest(watched)
		key := kubeconfig.SecretKey(m.Spec.KubeconfigSecret)
		status := statusOf(now, m, facts{
			taken: taken[m.Name], states: states[m.Name], kubeconfig: s.opt.Secrets.Check(key),
			spec:  file.CheckMember(config.Member{Name: m.Name, Spec: m.Spec}),
			inUse: s.opt.Secrets.InUse(key),
		})
		if !same(m.Status, status) {
			changed = append(changed, due{m, watched.ResourceVersion, status})
		}
	}
	s.statuses.retain(present)
	s.statuses.enqueue(changed)
	s.statuses.start(ctx, now)
}
