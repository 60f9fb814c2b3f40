package outside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/miekg/dns"

	"github.com/federation-dns/federation/test/netns"
	"github.com/federation-dns/federation/test/proc"
	"github.com/federation-dns/federation/test/world"
)

const (
	// RecursorAddr is the address of the recursive resolver.
	RecursorAddr = "198.51.100.10"
	// RecursorView is the view of a client outside every cluster that asks it.
	RecursorView = "outside-by-recursor"
	// RecursorTTL is for how long it keeps an answer at most.
	RecursorTTL = 12 * time.Second
)

// Recursor is a recursive resolver, unbound, that validates and keeps answers.
// It knows nothing but the address of the root and the root's key.
type Recursor struct{ unbound *proc.Process }

const unboundConf = `server:
  directory: %[1]q
  chroot: ""
  username: ""
  pidfile: ""
  do-daemonize: no
  use-syslog: no
  verbosity: 1
  val-log-level: 2
  ede: yes
  interface: %[2]s
  access-control: 0.0.0.0/0 allow
  do-ip6: no
  num-threads: 1
  module-config: "validator iterator"
  root-hints: "root.hints"
  trust-anchor-file: "root.key"
  cache-max-ttl: %[3]d
  cache-max-negative-ttl: 1
remote-control:
  control-enable: no
`

// StartRecursor starts the resolver of the hierarchy.
func StartRecursor(ctx context.Context, w *world.World, h *Hierarchy) (*Recursor, error) {
	if err := netns.AddLocal(netip.MustParsePrefix(RecursorAddr + "/32")); err != nil {
		return nil, err
	}
	dir := w.Path("recursor")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"unbound.conf": fmt.Sprintf(unboundConf, dir, RecursorAddr, int(RecursorTTL/time.Second)),
		"root.hints":   ". 3600 IN NS ns.root.\nns.root. 3600 IN A " + Root + "\n",
		"root.key":     h.anchor + "\n",
	} {
		if err := os.WriteFile(w.Path("recursor", name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if err := w.WriteResolv(RecursorView, RecursorAddr, "options timeout:2 attempts:2"); err != nil {
		return nil, err
	}
	unbound, err := w.Unconfined("unbound", "unbound")
	if err != nil {
		return nil, err
	}
	p, err := proc.Start("unbound", w.LogFile("unbound"), w.Env(), unbound, "-d", "-c",
		w.Path("recursor", "unbound.conf"))
	if err != nil {
		return nil, err
	}
	err = proc.Poll(ctx, "unbound to answer", func() error {
		if err := p.Ended(); err != nil {
			return err
		}
		r, err := AskRecursor(ctx, ".", dns.TypeNS, false)
		if err == nil && !r.AuthenticatedData {
			err = fmt.Errorf("the root is not validated: %s", dns.RcodeToString[r.Rcode])
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, p.Stop(10*time.Second))
	}
	return &Recursor{p}, nil
}

// Stop ends the resolver.
func (r *Recursor) Stop() error { return r.unbound.Stop(10 * time.Second) }

// AskRecursor asks the resolver, and says that the AD bit is understood; with
// unchecked it is not to validate.
func AskRecursor(ctx context.Context, name string, typ uint16, unchecked bool) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name, typ)
	m.SetEdns0(1232, false)
	m.AuthenticatedData, m.CheckingDisabled = true, unchecked
	return exchange(ctx, RecursorAddr, m)
}

// exchange sends a message to port 53 of a server.
func exchange(ctx context.Context, server string, m *dns.Msg) (*dns.Msg, error) {
	c := &dns.Client{Timeout: 3 * time.Second}
	r, _, err := c.ExchangeContext(ctx, m, net.JoinHostPort(server, "53"))
	if err != nil {
		return nil, fmt.Errorf("%s %s at %s: %w", m.Question[0].Name, dns.TypeToString[m.Question[0].Qtype], server,
			err)
	}
	return r, nil
}

// Anchor is the root's key as delv wants it.
func (h *Hierarchy) Anchor() (string, error) {
	key, err := dns.NewRR(h.anchor)
	if err != nil {
		return "", err
	}
	k, ok := key.(*dns.DNSKEY)
	if !ok {
		return "", fmt.Errorf("the root's key is %q", h.anchor)
	}
	return fmt.Sprintf("trust-anchors { . static-key %d %d %d %q; };\n", k.Flags, k.Protocol, k.Algorithm, k.PublicKey),
		nil
}
