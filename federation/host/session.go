package host

import (
	"context"
	"reflect"
	"time"

	"k8s.io/client-go/rest"
)

// sessionRetry is the pause between two sessions, and how often the kubeconfig is compared with the one in use while
// requests fail.
const sessionRetry = 5 * time.Second

// Session is the work with one client configuration of the host.
type Session struct {
	// Client is the client configuration.
	Client   *rest.Config
	host     Config
	compared time.Time
}

// Sessions calls work with one client configuration of the host after the other until ctx ends. work ends with ctx, or
// when its session is stale; failed is told of its error, or why there is no client configuration.
func (c Config) Sessions(ctx context.Context, work func(context.Context, *Session) error, failed func(error)) {
	for ctx.Err() == nil {
		client, err := c.Load()
		if err == nil {
			err = work(ctx, &Session{Client: client, host: c, compared: time.Now()})
		}
		if err != nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(sessionRetry):
		}
	}
}

// Stale reports whether the client configuration has changed. It is to be asked while requests fail, and reads the
// kubeconfig every 5 s at most.
func (s *Session) Stale() bool {
	if time.Since(s.compared) < sessionRetry {
		return false
	}
	s.compared = time.Now()
	next, err := s.host.Load()
	return err == nil && !reflect.DeepEqual(next, s.Client)
}
