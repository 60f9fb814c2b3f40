package corednscheck

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation/check"
	"github.com/federation-dns/federation/federation/check/corefile"
)

// readCorefile reads the Corefile of a pod as CoreDNS sees it there: from the ConfigMaps that are mounted. It is nil if
// the pod runs no CoreDNS.
func readCorefile(ctx context.Context, c *check.Client, namespace string, pod *corev1.PodSpec) (*corefile.File, error) {
	for i := range pod.Containers {
		container := &pod.Containers[i]
		src, ok := command(container)
		if !ok {
			continue
		}
		files, err := mounted(ctx, c, namespace, pod, container)
		if err != nil {
			return nil, err
		}
		src.Files, src.Env = files, map[string]string{}
		for _, e := range container.Env {
			if e.ValueFrom == nil {
				src.Env[e.Name] = e.Value
			}
		}
		if _, ok := files[src.Path]; !ok { // NodeLocal DNS makes its own of the one that it is given
			src.Path = similar(files, src.Path)
		}
		return corefile.Parse(src)
	}
	return nil, nil
}

// command returns the path of the Corefile, and the port, that the command line of a container has; ok is false if it
// is not that of a CoreDNS.
func command(c *corev1.Container) (src corefile.Source, ok bool) {
	args := slices.Concat(c.Command, c.Args)
	for i, arg := range args {
		flag, value, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if flag == arg { // no flag
			continue
		}
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		switch flag {
		case "conf":
			src.Path, ok = value, true
		case "dns.port", "p":
			src.Port = value
		}
	}
	if !ok && strings.Contains(path.Base(c.Image), "coredns") {
		src.Path, ok = "Corefile", true
	}
	if !path.IsAbs(src.Path) {
		src.Path = path.Join("/", c.WorkingDir, src.Path)
	}
	return src, ok
}

// similar returns the only file whose name begins like that of the path, or the path itself.
func similar(files map[string]string, like string) string {
	var found []string
	for name := range files {
		if strings.HasPrefix(path.Base(name), path.Base(like)) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return like
	}
	return found[0]
}

// mounted returns the files that a container has from ConfigMaps.
func mounted(ctx context.Context, c *check.Client, namespace string, pod *corev1.PodSpec, container *corev1.Container,
) (map[string]string, error) {
	files := map[string]string{}
	for _, mount := range container.VolumeMounts {
		i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		if i < 0 {
			continue
		}
		volume, err := volumeFiles(ctx, c, namespace, &pod.Volumes[i])
		if err != nil {
			return nil, err
		}
		for name, text := range volume {
			switch {
			case mount.SubPath == "":
				files[path.Join(mount.MountPath, name)] = text
			case mount.SubPath == name:
				files[path.Clean(mount.MountPath)] = text
			case strings.HasPrefix(name, mount.SubPath+"/"):
				files[path.Join(mount.MountPath, strings.TrimPrefix(name, mount.SubPath+"/"))] = text
			}
		}
	}
	return files, nil
}

// volumeFiles returns the files of a volume that come from ConfigMaps, by their path in it.
func volumeFiles(ctx context.Context, c *check.Client, namespace string, v *corev1.Volume) (map[string]string, error) {
	type source struct {
		name     string
		items    []corev1.KeyToPath
		optional *bool
	}
	var sources []source
	if m := v.ConfigMap; m != nil {
		sources = append(sources, source{m.Name, m.Items, m.Optional})
	}
	if v.Projected != nil {
		for _, s := range v.Projected.Sources {
			if m := s.ConfigMap; m != nil {
				sources = append(sources, source{m.Name, m.Items, m.Optional})
			}
		}
	}
	files := map[string]string{}
	for _, s := range sources {
		m, err := c.CoreV1().ConfigMaps(namespace).Get(ctx, s.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) && s.optional != nil && *s.optional {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("ConfigMap %s/%s: %w", namespace, s.name, err)
		}
		if len(s.items) == 0 {
			maps.Copy(files, m.Data)
		}
		for _, item := range s.items {
			if text, ok := m.Data[item.Key]; ok {
				files[item.Path] = text
			}
		}
	}
	return files, nil
}
