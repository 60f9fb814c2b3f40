package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/miekg/dns"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/live"
)

const (
	// RequestTimeout bounds one request, or one question to a DNS server (CK5).
	RequestTimeout = 3 * time.Second
	// querySize is the largest reply over UDP that is asked for.
	querySize = 1232
)

// Options are what the checks look at.
type Options struct {
	// Host is the cluster of the syncer, with the user's own rights. It is nil if there is none, and HostError says
	// why; without an error none is asked for, as the syncer runs outside a cluster.
	Host      *rest.Config
	HostError error
	// Syncer is the running syncer; nil if there is no host.
	Syncer live.Source
	// Namespace and Lease say where the Lease of the syncer's replicas is.
	Namespace, Lease string
	// Version is that of this program.
	Version string
	// Context returns the user's own way to a member, by its name; nil if there is none. It may be nil.
	Context func(member string) (*rest.Config, error)
	// Resolvers are the recursive DNS servers to ask, a host or host:port each; none for those of /etc/resolv.conf.
	Resolvers []string
	// Now is the clock.
	Now func() time.Time
}

// Env is what all checks of a run share: each source is read at most once, when the first check asks for it. It is safe
// for concurrent use.
type Env struct {
	Options
	host    lazy[*Client]
	status  lazy[*admin.Status]
	objects lazy[[]v1alpha1.MemberCluster]
	members lazy[[]*Member]
}

// NewEnv returns the sources of a run.
func NewEnv(o Options) *Env { return &Env{Options: o} }

// lazy is a value that is read once.
type lazy[T any] struct {
	once  sync.Once
	value T
	err   error
}

func (l *lazy[T]) get(read func() (T, error)) (T, error) {
	l.once.Do(func() { l.value, l.err = read() })
	return l.value, l.err
}

// ErrNoHost is the error of what has to be read in the host cluster if there is none.
var ErrNoHost = errors.New("no cluster to ask: choose that of the syncer by --context")

// Hostless reports whether no host cluster is asked for: what would be looked at there does not apply.
func (e *Env) Hostless() bool { return e.Host == nil && e.HostError == nil }

// HostClient returns a client of the host cluster, with the user's own rights.
func (e *Env) HostClient() (*Client, error) {
	return e.host.get(func() (*Client, error) {
		if e.Host == nil {
			return nil, e.noHost()
		}
		return newClient(e.Host)
	})
}

func (e *Env) noHost() error {
	if e.HostError == nil {
		return ErrNoHost
	}
	return fmt.Errorf("%w (%w)", ErrNoHost, e.HostError)
}

// Status returns the state of the syncer that writes, with each service.
func (e *Env) Status(ctx context.Context) (*admin.Status, error) {
	return e.status.get(func() (*admin.Status, error) {
		if e.Syncer == nil {
			return nil, e.noHost()
		}
		return e.Syncer.Status(ctx)
	})
}

// Ask sends a question to a DNS server, a host or host:port, and again over TCP if the reply is truncated. A
// resolver is asked for recursion.
func (e *Env) Ask(ctx context.Context, server, name string, qtype uint16, recursion bool) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "53")
	}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	m.RecursionDesired = recursion
	m.SetEdns0(querySize, false)
	reply, _, err := new(dns.Client).ExchangeContext(ctx, m, server)
	if err == nil && reply.Truncated {
		reply, _, err = (&dns.Client{Net: "tcp"}).ExchangeContext(ctx, m, server)
	}
	if err != nil {
		return nil, fmt.Errorf("DNS server %s: %w", server, err)
	}
	return reply, nil
}
