package kubeconfig

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"sync"

	"k8s.io/client-go/rest"
)

// SecretKey is a key of a Secret.
type SecretKey struct{ Name, Key string }

// Secrets are the kubeconfigs in Secrets, as far as they are known. The zero value knows none. Safe for concurrent use.
type Secrets struct {
	mu      sync.Mutex
	entries map[SecretKey]*secretEntry
}

type secretEntry struct {
	data    []byte
	version string        // of the Secret
	config  *rest.Config  // made from data
	err     error         // why there is no config
	missing error         // why there is no data
	changed chan struct{} // closed and renewed by each change of data

	answered *rest.Config // the last one with which a request was answered
	inUse    string       // the version that it came from
}

// entry returns the entry of a key; s.mu is held.
func (s *Secrets) entry(key SecretKey) *secretEntry {
	e := s.entries[key]
	if e == nil {
		err := fmt.Errorf("the Secret %q: %w: it has not been read yet", key.Name, ErrNoKubeconfig)
		e = &secretEntry{err: err, missing: err, changed: make(chan struct{})}
		if s.entries == nil {
			s.entries = map[SecretKey]*secretEntry{}
		}
		s.entries[key] = e
	}
	return e
}

// Set records the content of a key with the resource version of its Secret, or why there is none.
func (s *Secrets) Set(key SecretKey, version string, data []byte, missing error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(key)
	e.version = version
	if fmt.Sprint(e.missing) == fmt.Sprint(missing) && bytes.Equal(e.data, data) {
		if e.config != nil && e.config == e.answered {
			e.inUse = version
		}
		return
	}
	e.data, e.missing, e.config, e.err = data, missing, nil, missing
	if missing == nil {
		if e.config, e.err = Parse(data); e.err != nil {
			e.err = fmt.Errorf("the Secret %q, key %q: %w", key.Name, key.Key, e.err)
		}
	}
	close(e.changed)
	e.changed = make(chan struct{})
}

// Check returns why the kubeconfig at a key cannot be used, or nil.
func (s *Secrets) Check(key SecretKey) error {
	_, err := s.get(key)
	return err
}

// InUse returns the resource version of the Secret whose kubeconfig a member was last seen to accept: a request with it
// had an answer of success. It is the latest version with that kubeconfig; "" if there was no such answer yet.
func (s *Secrets) InUse(key SecretKey) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entry(key).inUse
}

// answered records that a request with a client configuration of the key was answered with success. An answer to a
// client from before the last change proves nothing about the present content.
func (s *Secrets) answered(key SecretKey, c *rest.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil || e.config == nil || e.config == e.answered || e.config != c && !reflect.DeepEqual(e.config, c) {
		return
	}
	e.answered, e.inUse = e.config, e.version
}

// Retain forgets all keys but these.
func (s *Secrets) Retain(keys map[SecretKey]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.entries, func(key SecretKey, _ *secretEntry) bool { return !keys[key] })
}

func (s *Secrets) changed(key SecretKey) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entry(key).changed
}

// get returns the client configuration at a key, which is not the caller's to change: another one after each change.
func (s *Secrets) get(key SecretKey) (*rest.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(key)
	return e.config, e.err
}

// SecretFollower returns a kubeconfig in a Secret again when it has changed, and for as long as it cannot be used. It
// is not safe for concurrent use.
type SecretFollower struct {
	// Secrets has the kubeconfig at Key.
	Secrets *Secrets
	Key     SecretKey

	used *rest.Config
}

// Next returns the client configuration if it has changed since the last successful call, and nil if it has not.
// Answers to requests with it are what Secrets.InUse goes by.
func (f *SecretFollower) Next() (*rest.Config, error) {
	c, err := f.Secrets.get(f.Key)
	switch {
	case err != nil:
		return nil, err
	case c == f.used || f.used != nil && reflect.DeepEqual(c, f.used):
		return nil, nil
	}
	f.used = c
	own, secrets, key := rest.CopyConfig(c), f.Secrets, f.Key
	own.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(req)
			if err == nil && res.StatusCode >= http.StatusOK && res.StatusCode < http.StatusMultipleChoices {
				secrets.answered(key, c)
			}
			return res, err
		})
	})
	return own, nil
}

// Changed returns a channel that is closed by the next change. Ask for it before Next.
func (f *SecretFollower) Changed() <-chan struct{} { return f.Secrets.changed(f.Key) }

// Retry makes Next return the configuration again, changed or not.
func (f *SecretFollower) Retry() { f.used = nil }
