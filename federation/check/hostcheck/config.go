package hostcheck

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation/check"
)

// propagation is how long a kubelet may take to bring a changed ConfigMap to the pods, and the syncer to read it.
const propagation = 2 * time.Minute

// errOldSyncer is the error of a syncer that does not say which configuration it uses.
var errOldSyncer = errors.New("the syncer does not say which configuration it uses: it is of an older version")

func configLoaded(ctx context.Context, e *check.Env) []check.Finding {
	status, err := e.Status(ctx)
	if err != nil {
		return check.One(check.Untested("", err))
	}
	used := status.Config
	switch {
	case used == nil:
		return check.One(check.Untested("", errOldSyncer))
	case used.Error != "":
		return check.One(check.Bad("", "the present configuration is bad, and the one of %s stays in use: %s",
			used.Since.UTC().Format(time.RFC3339), used.Error))
	}
	good := check.Good("", "in use since %s", used.Since.UTC().Format(time.RFC3339))
	if e.Hostless() {
		return check.One(good)
	}
	file, err := configMap(ctx, e)
	switch {
	case err != nil:
		return check.One(check.Untested("", err))
	case file == nil || file.sha256 == used.SHA256:
		return check.One(good)
	}
	if age := e.Now().Sub(file.changed); age < propagation {
		return check.One(check.Doubt("", "%s was changed %s ago, and the syncer still uses the one before", file.name,
			max(age, 0).Round(time.Second)).With("wait: a kubelet takes up to two minutes to bring it to the pods"))
	}
	return check.One(check.Bad("", "the syncer does not use %s as it is, and has had the time to", file.name).With(
		"look at what the pod has, and start it anew if it stays\n"+
			"$ kubectl -n %s rollout restart deployment/%s", e.Namespace, e.Lease))
}

// configFile is the configuration in a ConfigMap.
type configFile struct {
	name    string
	sha256  string
	changed time.Time
}

// configMap returns the configuration that the Deployment of the syncer mounts; nil if it has none, or there is no such
// Deployment.
func configMap(ctx context.Context, e *check.Env) (*configFile, error) {
	c, err := e.HostClient()
	if err != nil {
		return nil, err
	}
	d, err := deployment(ctx, e, c)
	if err != nil || d == nil {
		return nil, err
	}
	name, key := mounted(d)
	if name == "" {
		return nil, nil
	}
	m, err := c.CoreV1().ConfigMaps(e.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("there is no ConfigMap %s/%s, which the Deployment mounts", e.Namespace, name)
	}
	if err != nil {
		return nil, err
	}
	text, ok := m.Data[key]
	if !ok {
		return nil, fmt.Errorf("the ConfigMap %s/%s has no key %q, which the Deployment mounts", e.Namespace, name, key)
	}
	f := &configFile{name: fmt.Sprintf("the ConfigMap %s/%s", e.Namespace, name),
		sha256: fmt.Sprintf("%x", sha256.Sum256([]byte(text))), changed: m.CreationTimestamp.Time}
	for _, w := range m.ManagedFields {
		if w.Time != nil && w.Time.After(f.changed) {
			f.changed = w.Time.Time
		}
	}
	return f, nil
}

// mounted returns the ConfigMap and the key that the syncer of the Deployment has as its --config.
func mounted(d *appsv1.Deployment) (name, key string) {
	spec := d.Spec.Template.Spec
	for _, c := range spec.Containers {
		for i := range len(c.Args) - 1 {
			if c.Args[i] != "--config" {
				continue
			}
			dir, file := path.Split(c.Args[i+1])
			for _, m := range c.VolumeMounts {
				if path.Clean(m.MountPath) == path.Clean(dir) {
					return volumeSource(spec.Volumes, m.Name, file)
				}
			}
		}
	}
	return "", ""
}

func volumeSource(volumes []corev1.Volume, volume, file string) (name, key string) {
	for _, v := range volumes {
		if v.Name != volume || v.ConfigMap == nil {
			continue
		}
		key = file
		for _, item := range v.ConfigMap.Items {
			if item.Path == file {
				key = item.Key
			}
		}
		return v.ConfigMap.Name, key
	}
	return "", ""
}
