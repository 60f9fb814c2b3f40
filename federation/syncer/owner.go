package syncer

import (
	"context"
	"time"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/host"
)

// ownerRetry is how often the host is asked again.
const ownerRetry = 5 * time.Second

// awaitOwner returns the configuration to begin with, and the syncer's id in it: its own, else the UID of the host's
// kube-system, which is asked for until it answers (O1d): for 5 s at a time, so that neither SIGTERM nor a changed file
// waits for a credential plugin that hangs. Nothing runs yet, so a configuration that comes meanwhile is
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
			s.log.Error("cannot get the owner id from the host cluster; retrying", "error", err)
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

// OwnerID returns the id of the syncer that has this configuration (O1d). The host cluster is asked once, if it has to be.
func OwnerID(ctx context.Context, c *config.Config) (string, error) {
	if c.Owner != "" {
		return c.Owner, nil
	}
	return host.UID(ctx, hostOf(*c.Host))
}

func hostOf(h config.Host) host.Config {
	return host.Config{Kubeconfig: h.Kubeconfig.Path, Context: h.Kubeconfig.Context, Namespace: h.Namespace, Lease: h.Lease}
}
