package syncer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/federation-dns/federation/federation/config"
	"github.com/federation-dns/federation/federation/member"
)

// ownerRetry is how often the host is asked again, and ownerTimeout how long it
// may take.
const ownerRetry, ownerTimeout = 5 * time.Second, 5 * time.Second

// ownerOf returns the syncer's id: the configuration's, else the UID of the
// host's kube-system, which is asked for until it answers (O1d). The error is
// that of ctx.
func ownerOf(ctx context.Context, c *config.Config, log *slog.Logger) (string, error) {
	if c.Owner != "" {
		return c.Owner, nil
	}
	for {
		uid, err := hostUID(ctx, *c.Host)
		if err == nil {
			return uid, nil
		}
		log.Error("the host cluster does not tell its identity, which is the owner id of this syncer; trying again", "error", err)
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(ownerRetry):
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
