package hostrecords

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/federation-dns/federation/federation/kubeconfig/kubeconfigtest"
	"github.com/federation-dns/federation/federation/provider"
)

func TestKinds(t *testing.T) {
	fails := func(code int, reason metav1.StatusReason) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) { answer(w, code, reason, "the server says so") }
	}
	for _, tt := range []struct {
		name         string
		fault        func(w http.ResponseWriter)
		read, change error
		says         string
	}{
		{"403", fails(403, metav1.StatusReasonForbidden), provider.ErrRefused, provider.ErrRefused,
			"deploy/host-records-rbac.yaml"},
		{"401", fails(401, metav1.StatusReasonUnauthorized), provider.ErrRefused, provider.ErrRefused, "says so"},
		{"413", fails(413, metav1.StatusReasonRequestEntityTooLarge), provider.ErrRefused, provider.ErrRefused,
			"says so"},
		{"422", fails(422, metav1.StatusReasonInvalid), provider.ErrRefused, provider.ErrRefused, "says so"},
		{"429", fails(429, metav1.StatusReasonTooManyRequests), provider.ErrUnavailable, provider.ErrUnavailable,
			"says so"},
		{"503", fails(503, metav1.StatusReasonServiceUnavailable), provider.ErrUnavailable, provider.ErrUnavailable,
			"says so"},
		{"500", fails(500, metav1.StatusReasonInternalError), provider.ErrUnavailable, provider.ErrUnknownOutcome,
			"says so"},
		{"504", fails(504, metav1.StatusReasonTimeout), provider.ErrUnavailable, provider.ErrUnknownOutcome, "says so"},
		{"a reply that is lost", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, nil,
			provider.ErrUnknownOutcome, "EOF"},
	} {
		t.Run("X5a "+tt.name, func(t *testing.T) {
			api := startFake(t)
			p := open(t, api.config(t), usualLimits)
			mustApply(t, p, creation(0))
			check := func(what string, err, kind error) {
				t.Helper()
				if !errors.Is(provider.KindOf(err), kind) || !strings.Contains(err.Error(), tt.says) ||
					!strings.Contains(err.Error(), namespace) {
					t.Errorf("%s: %v, want %v", what, err, kind)
				}
			}
			api.set(func(w http.ResponseWriter, verb, _ string) bool {
				if verb == "update" {
					tt.fault(w)
				}
				return verb == "update"
			})
			check("Apply", p.Apply(t.Context(), nil, creations(1, 2))[0], tt.change)
			if tt.read == nil { // client-go reads again
				return
			}
			api.set(func(w http.ResponseWriter, verb, _ string) bool {
				if verb == "list" {
					tt.fault(w)
				}
				return verb == "list"
			})
			check("Apply that cannot read", p.Apply(t.Context(), nil, creations(1, 2))[0], tt.read)
			_, err := p.Get(t.Context(), creation(0).Name)
			check("Get", err, tt.read)
			_, err = p.NegativeTTL(t.Context())
			check("NegativeTTL", err, tt.read)
			api.set(nil)
			mustApply(t, p, creation(1))
		})
	}
	t.Run("X5a nobody listens", func(t *testing.T) {
		api := startFake(t)
		c := api.config(t)
		kubeconfigtest.Write(t, c.Host.Kubeconfig, "http://127.0.0.1:1", "{}")
		p := open(t, c, usualLimits)
		if err := p.Apply(t.Context(), nil, creations(0, 1))[0]; !errors.Is(err, provider.ErrNotSent) {
			t.Errorf("Apply: %v", err)
		}
		kubeconfigtest.Write(t, c.Host.Kubeconfig, api.URL, "{}")
		mustApply(t, p, creation(0)) // the kubeconfig is read again
	})
	t.Run("X5a no kubeconfig", func(t *testing.T) {
		c := startFake(t).config(t)
		c.Host.Kubeconfig += ".none"
		_, err := open(t, c, usualLimits).Get(t.Context(), c.Domain)
		if !errors.Is(err, provider.ErrNotSent) || !strings.Contains(err.Error(), "does not exist") {
			t.Error(err)
		}
	})
	t.Run("M7 a host is needed", func(t *testing.T) {
		if _, err := New(Config{Federation: "fed", Domain: "example.com."}); err == nil {
			t.Error("there is a provider")
		}
	})
}

func TestLimits(t *testing.T) {
	t.Run("M7 what ConfigMaps cannot hold is refused", func(t *testing.T) {
		c := startFake(t).config(t)
		l := tiny
		l.maxBuckets, l.object = 4, 3000
		p := open(t, c, l)
		made := 0
		for ; made < 1000; made++ {
			err := p.Apply(t.Context(), nil, creations(made, made+1))[0]
			if err == nil {
				continue
			}
			if !errors.Is(err, provider.ErrRefused) || !strings.Contains(err.Error(), "needs a DNS provider") {
				t.Error(err)
			}
			break
		}
		if made < 100 || made == 1000 {
			t.Errorf("%d were made", made)
		}
		has(t, c, creations(0, made)...)
	})
	t.Run("M7 writes have a pace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPace()
			begin := time.Now()
			const each = 100 << 10
			for n := 0; n < 1000; n++ {
				if err := p.WaitN(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				p.ReserveN(time.Now(), each+writeCost)
			}
			took := time.Since(begin)
			want := time.Duration(1000*(each+writeCost)-burstBytes) * time.Second / bytesPerSecond
			if took < want-time.Second || took > want+time.Second {
				t.Errorf("1000 writes of 100 KiB took %s, want about %s", took, want)
			}
		})
	})
	t.Run("M7 a change that waits for its pace ends with its context", func(t *testing.T) {
		c := startFake(t).config(t)
		p := open(t, c, usualLimits)
		p.pace = newPace()
		p.pace.ReserveN(time.Now(), burstBytes)
		p.pace.ReserveN(time.Now(), burstBytes)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := p.Apply(ctx, nil, creations(0, 1))[0]; !errors.Is(err, provider.ErrNotSent) {
			t.Error(err)
		}
		if _, err := p.Get(t.Context(), c.Domain); err != nil { // reads do not wait
			t.Error(err)
		}
	})
	t.Run("M7 what has not changed is not read again, and nothing is written for no change", func(t *testing.T) {
		api := startFake(t)
		p := open(t, api.config(t), tiny)
		mustApply(t, p, creations(0, 100)...)
		if _, err := p.Get(t.Context(), creation(0).Name); err != nil {
			t.Fatal(err)
		}
		api.counts()
		mustApply(t, p, same(creation(0)))
		if _, err := p.Get(t.Context(), creation(1).Name); err != nil {
			t.Fatal(err)
		}
		requests, _ := api.counts()
		if requests["list"] != 2 || len(requests) != 1 {
			t.Errorf("the requests are %v", requests)
		}
	})
}
