package kubeconfig

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/connrotation"
)

// clients numbers the clients with a credential plugin of their own.
var clients atomic.Uint64

// WithOwnPlugin returns a copy of a client configuration whose credential plugin is not shared with other clients.
// client-go runs equal plugins one at a time for the whole process: one that hangs would block every member with the
// same command, and the next client of this one. A variable of its environment makes it different.
func WithOwnPlugin(base *rest.Config, member string) *rest.Config {
	own := rest.CopyConfig(base)
	if own.ExecProvider == nil {
		return own
	}
	own.ExecProvider = own.ExecProvider.DeepCopy()
	own.ExecProvider.Env = append(own.ExecProvider.Env, clientcmdapi.ExecEnvVar{
		Name: "FEDERATION_SYNCER_MEMBER", Value: fmt.Sprintf("%s/%d", member, clients.Add(1)),
	})
	return own
}

// OwnConnections gives a client configuration connections that no other client shares. drop closes them: a dead one
// would otherwise be kept until TCP gives up. closed also refuses new ones.
func OwnConnections(c *rest.Config) (drop, closed func()) {
	if c.Proxy == nil {
		c.Proxy = http.ProxyFromEnvironment // client-go's default; set, it keeps the transport from being shared
	}
	var ended atomic.Bool
	plain := net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	dialer := connrotation.NewDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := plain.DialContext(ctx, network, address)
		if err == nil && ended.Load() {
			conn.Close()
			return nil, net.ErrClosed
		}
		return conn, err
	})
	c.Dial = dialer.DialContext
	return dialer.CloseAll, func() {
		ended.Store(true)
		dialer.CloseAll()
	}
}
