package syncer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/federation-dns/federation/federation/member"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

const (
	// reloadEvery is how often the configuration file is compared: by content,
	// so that a swapped symbolic link counts and a mere touch does not.
	reloadEvery = 2 * time.Second
	// kubeconfigRetry is how often a kubeconfig that cannot be used is read again.
	kubeconfigRetry = 10 * time.Second
)

// Options are what the command line says.
type Options struct {
	// ConfigPath is the configuration file.
	ConfigPath string
	// Adopt takes over names that somebody else holds (O1c).
	Adopt bool
	// Logger makes the logger that the configuration asks for.
	Logger func(level, format string) *slog.Logger
}

// Run keeps the records of all federations true until ctx ends. The
// configuration is read again when its file changes: a good one is taken up
// by a start from the records, which is safe at any moment (X1); a bad one is
// reported, and the old one stays. An error is returned only if the first
// configuration is bad or what it asks for cannot be opened.
func Run(ctx context.Context, opt Options) error {
	config, err := LoadConfig(opt.ConfigPath)
	if err != nil {
		return err
	}
	m := newMetrics()
	for {
		next, err := runUntilReload(ctx, opt, config, m)
		if err != nil || next == nil {
			return err
		}
		config = next
	}
}

// runUntilReload runs one configuration until ctx ends (then the next
// configuration is nil) or the file holds another good one.
func runUntilReload(ctx context.Context, opt Options, config *Config, m *metrics) (*Config, error) {
	log := opt.Logger(config.LogLevel, config.LogFormat)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	watchers := &watcherSet{watchers: map[string]*member.Watcher{}}
	var loops []*loop
	for _, f := range config.Federations {
		p, err := rfc2136.New(f.RFC2136)
		if err != nil {
			return nil, err
		}
		defer p.Close()
		loops = append(loops, newLoop(config, f, p, opt.Adopt, log, m, watchers.relist))
	}
	stop, err := (&listener{loops: loops, metrics: m}).listen(config.MetricsAddress, config.AdminSocket)
	if err != nil {
		return nil, err
	}
	defer stop()
	events := make(chan member.Event, 1024)
	for _, l := range loops {
		wg.Go(func() { l.run(ctx) })
	}
	wg.Go(func() { fanOut(ctx, events, loops) })
	for _, cl := range config.Clusters {
		wg.Go(func() { watchers.run(ctx, cl, log, events) })
	}
	log.Info("started", "federations", len(config.Federations), "members", len(config.Clusters), "owner", config.Owner)
	next := waitForChange(ctx, opt.ConfigPath, log, m)
	if next == nil {
		log.Info("stopping")
	}
	return next, nil
}

// fanOut hands every event to every federation: all members belong to all.
func fanOut(ctx context.Context, events <-chan member.Event, loops []*loop) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			for _, l := range loops {
				select {
				case l.events <- e:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// waitForChange returns the next good configuration of the file, or nil when
// ctx ends.
func waitForChange(ctx context.Context, path string, log *slog.Logger, m *metrics) *Config {
	seen, _ := os.ReadFile(path)
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		data, err := os.ReadFile(path)
		if err != nil || bytes.Equal(data, seen) {
			continue // a file that is being replaced may be missing for a moment
		}
		seen = data
		next, err := parseConfig(path, data)
		if err != nil {
			m.reload.Set(0)
			log.Error("the new configuration is bad, the old one stays", "error", err)
			continue
		}
		m.reload.Set(1)
		log.Info("configuration changed: starting from the records with the new one")
		return next
	}
}

// watcherSet finds a member's watcher by name.
type watcherSet struct {
	mu       sync.Mutex
	watchers map[string]*member.Watcher
}

func (s *watcherSet) relist(name string) {
	s.mu.Lock()
	w := s.watchers[name]
	s.mu.Unlock()
	if w != nil {
		w.Relist()
	}
}

// run watches one member until ctx ends. A kubeconfig that cannot be used is a
// failed probe, reported and tried again; it harms no other member (X7).
func (s *watcherSet) run(ctx context.Context, cl Cluster, log *slog.Logger, events chan<- member.Event) {
	var last error
	for ctx.Err() == nil {
		err := s.watch(ctx, cl, log, events)
		if ctx.Err() != nil || err == nil {
			return
		}
		if last == nil || last.Error() != err.Error() {
			log.Error("member cannot be watched, trying again", "member", cl.Member.Name, "error", err)
		}
		last = err
		select {
		case events <- member.ProbeEvent{Member: cl.Member.Name, At: time.Now(), Err: err}:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(kubeconfigRetry):
		case <-ctx.Done():
			return
		}
	}
}

func (s *watcherSet) watch(ctx context.Context, cl Cluster, log *slog.Logger, events chan<- member.Event) error {
	rest, err := member.LoadKubeconfig(cl.Kubeconfig, cl.Context)
	if err != nil {
		return err
	}
	w, err := member.New(cl.Member, rest, net.DefaultResolver, log, events)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.watchers[cl.Member.Name] = w
	s.mu.Unlock()
	if err := w.Run(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("watch ended: %w", err)
	}
	return nil
}
