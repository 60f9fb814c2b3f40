package syncer

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
)

// ownerRetry is how often the host is asked again, and ownerTimeout how long it
// may take.
const ownerRetry, ownerTimeout = 5 * time.Second, 5 * time.Second

// awaitOwner returns the configuration to begin with, and the syncer's id in it: its own, else the UID of the host's
// kube-system, which is asked for until it answers (O1d). Nothing runs yet, so a configuration that comes meanwhile is
// the one to begin with, whatever differs; only what is open already stays. The error is that of ctx.
func (s *syncer) awaitOwner(ctx context.Context, c *config.Config) (*config.Config, error) {
	first := c
	for {
		id, err := OwnerID(ctx, c)
		next := s.file.check(time.Now(), false)
		if next == nil && err == nil {
			c.Owner = id
			return c, nil
		}
		if next == nil {
			s.log.Error("the owner id of this syncer is not known yet; trying again", "error", err)
			next = s.file.next(ctx, s.reload, time.After(ownerRetry))
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if next == nil {
			continue
		}
		c = next
		s.setLevel(c)
		if first.MetricsAddress != c.MetricsAddress || first.AdminSocket != c.AdminSocket || first.LogFormat != c.LogFormat {
			s.log.Warn("metrics.address, admin.socket and log.format are taken at the next start only")
		}
	}
}

// OwnerID is the id of the syncer that has this configuration (O1d). The host
// cluster is asked once, if it has to be.
func OwnerID(ctx context.Context, c *config.Config) (string, error) {
	if c.Owner != "" {
		return c.Owner, nil
	}
	uid, err := hostUID(ctx, *c.Host)
	if err != nil {
		return "", fmt.Errorf("the host cluster does not tell its identity, which is the owner id: %w", err)
	}
	return uid, nil
}

func hostUID(ctx context.Context, host config.Host) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, ownerTimeout)
	defer cancel()
	rest, err := member.LoadKubeconfig(host.Kubeconfig.Path, host.Kubeconfig.Context)
	if err != nil {
		return "", fmt.Errorf("host: %w", err)
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return "", fmt.Errorf("host: %w", err)
	}
	ns, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("host: %w", err)
	}
	return string(ns.UID), nil
}
