package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/config"
)

// fileRig is a configuration file that is read by hand.
type fileRig struct {
	*configFile
	t   *testing.T
	log bytes.Buffer
	now time.Time
	metric
	told admin.ConfigStatus
}

// metric is 1 while the file is in use.
type metric float64

func (r *fileRig) set(c admin.ConfigStatus) {
	r.metric, r.told = map[bool]metric{true: 1}[c.Error == ""], c
}

const goodConfig = `apiVersion: federation-dns.io/v1alpha1
kind: SyncerConfiguration
owner: us
federations:
- name: fed
  domain: example.com
  provider: {rfc2136: {server: "127.0.0.1:1", zone: example.com, tsig: {name: k., secretFile: secret}}}
clusters: [{name: a, kubeconfig: {path: none}}]
`

// newFileRig has a good configuration in use.
func newFileRig(t *testing.T) *fileRig {
	r := &fileRig{t: t, now: time.Unix(1000, 0), metric: 1}
	r.configFile = &configFile{
		path: filepath.Join(t.TempDir(), "config.yaml"), log: slog.New(slog.NewTextHandler(&r.log, nil)), read: r.set,
	}
	r.write("secret", "c2VjcmV0")
	r.write("config.yaml", goodConfig)
	if _, err := r.load(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *fileRig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(r.path), name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *fileRig) remove(name string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(filepath.Dir(r.path), name)); err != nil {
		r.t.Fatal(err)
	}
}

// wait looks at the file for this time, and returns the first configuration to take.
func (r *fileRig) wait(d time.Duration) (taken *config.Config) {
	for end := r.now.Add(d); r.now.Before(end) && taken == nil; {
		r.now = r.now.Add(reloadEvery)
		taken = r.check(r.now, false)
	}
	return taken
}

// isBad fails unless the file is reported as bad, once and with these words.
func (r *fileRig) isBad(words string) {
	r.t.Helper()
	if n := strings.Count(r.log.String(), "level=ERROR"); n != 1 || !strings.Contains(r.log.String(), words) ||
		r.metric != 0 {
		r.t.Errorf("%d errors, metric %v, want one with %q:\n%s", n, r.metric, words, &r.log)
	}
	r.log.Reset()
}

// inUse fails unless a configuration was taken, and nothing is wrong.
func (r *fileRig) inUse(c *config.Config) {
	r.t.Helper()
	if c == nil || r.metric != 1 || r.log.Len() > 0 {
		r.t.Errorf("taken %t, metric %v, log:\n%s", c != nil, r.metric, &r.log)
	}
	if data, err := os.ReadFile(r.path); err != nil || r.told.SHA256 != fmt.Sprintf("%x", sha256.Sum256(data)) {
		r.t.Errorf("the status says that another file is in use (%v)", err)
	}
	if r.wait(10*time.Second) != nil {
		r.t.Error("it is taken again and again")
	}
}

func TestConfigFile(t *testing.T) {
	t.Run("C1 a changed file is taken, one that is touched is not", func(t *testing.T) {
		r := newFileRig(t)
		r.write("config.yaml", goodConfig)
		if r.wait(5*time.Second) != nil {
			t.Error("the same content is taken")
		}
		r.write("config.yaml", goodConfig+"panicThreshold: 60\n")
		r.inUse(r.wait(time.Second))
		r.write("secret", "YW5vdGhlcg==")
		r.inUse(r.wait(time.Second))
	})
	t.Run("C1 a file that a refused configuration names comes later", func(t *testing.T) {
		r := newFileRig(t)
		r.write("config.yaml", strings.Replace(goodConfig, "secret}", "later}", 1))
		if r.wait(10*time.Second) != nil {
			t.Error("it is taken without its secret")
		}
		r.isBad("later")
		r.write("later", "bGF0ZXI=")
		r.inUse(r.wait(time.Second))
		r.write("later", "") // and it is followed
		if r.wait(10*time.Second) != nil {
			t.Error("it is taken with an empty secret")
		}
		r.isBad("the secret is missing")
		r.write("later", "bGF0ZXIy")
		r.inUse(r.wait(time.Second))
	})
	t.Run("C1 what was in use is good again", func(t *testing.T) {
		r := newFileRig(t)
		r.write("config.yaml", "kind: x\n")
		r.wait(10 * time.Second)
		r.isBad("apiVersion")
		r.write("config.yaml", goodConfig)
		r.inUse(r.wait(time.Second))
	})
	for name, lose := range map[string]func(*fileRig){
		"emptied": func(r *fileRig) { r.write("config.yaml", "") },
		"blank":   func(r *fileRig) { r.write("config.yaml", "\n \n") },
		"deleted": func(r *fileRig) { r.remove("config.yaml") },
		"first emptied": func(r *fileRig) {
			r.write("config.yaml", "")
			r.wait(2 * time.Second)
			r.remove("config.yaml")
		},
	} {
		t.Run("C1 a file that is "+name, func(t *testing.T) {
			r := newFileRig(t)
			lose(r)
			r.wait(2 * time.Second)
			if r.log.Len() > 0 || r.metric != 1 {
				t.Errorf("a moment is an error:\n%s", &r.log)
			}
			r.wait(10 * time.Second)
			r.isBad("config.yaml")
			r.write("config.yaml", goodConfig)
			r.inUse(r.wait(time.Second))
		})
	}
	t.Run("C1 SIGHUP reads at once and says what is wrong again", func(t *testing.T) {
		r := newFileRig(t)
		r.inUse(r.check(r.now, true))
		r.remove("config.yaml")
		for range 2 {
			if r.check(r.now, true) != nil {
				t.Error("a missing file is taken")
			}
			r.isBad("no such file")
		}
	})
}

func TestAwaitOwner(t *testing.T) {
	host := strings.Replace(goodConfig, "owner: us\n", "host: {kubeconfig: {path: none}}\n", 1)
	for name, later := range map[string]string{
		"an owner comes": strings.Replace(host, "host:", "owner: them\nhost:", 1),
		"the host goes":  strings.Replace(goodConfig, "owner: us", "owner: them", 1),
	} {
		t.Run("C1 while the host does not answer, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newFileRig(t)
				r.write("config.yaml", host)
				first, err := r.load()
				if err != nil {
					t.Fatal(err)
				}
				p := &program{file: r.configFile, log: r.configFile.log}
				time.AfterFunc(12*time.Second, func() { r.write("config.yaml", later) })
				begin := time.Now()
				c, err := p.awaitOwner(t.Context(), first)
				if err != nil || c.Owner != "them" {
					t.Fatalf("%v, error %v", c, err)
				}
				if waited := time.Since(begin); waited > 14*time.Second {
					t.Errorf("taken after %s", waited)
				}
			})
		})
	}
}
