package live

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/federation-dns/federation/federation/admin"
)

// forward serves pods/portforward, as the API server and the kubelet do over SPDY, to a port of this machine.
func forward(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return
	}
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r,
		func(stream httpstream.Stream, replied <-chan struct{}) error {
			go func() {
				<-replied
				relay(stream)
			}()
			return nil
		})
	if conn != nil {
		defer func() { _ = conn.Close() }()
		<-conn.CloseChan()
	}
}

// relay connects a stream with data to its port.
func relay(stream httpstream.Stream) {
	if stream.Headers().Get(corev1.StreamType) != corev1.StreamTypeData {
		return
	}
	defer stream.Close()
	to, err := net.Dial("tcp", "127.0.0.1:"+stream.Headers().Get(corev1.PortHeader))
	if err != nil {
		return
	}
	defer to.Close()
	go func() { _, _ = io.Copy(to, stream) }()
	_, _ = io.Copy(stream, to)
}

// pageAt has the syncer's status say where the page is.
func pageAt(address string) func([]string, string) (string, string, int) {
	return func([]string, string) (string, string, int) {
		out, _ := json.Marshal(admin.Status{Page: address})
		return string(out), "", 0
	}
}

func TestPage(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "the page for %s", r.Host)
	}))
	defer page.Close()
	address := strings.TrimPrefix(page.URL, "http://")

	t.Run("W1 the page in the pod is forwarded until the end", func(t *testing.T) {
		api := newAPIServer("syncer-0_5f0c", time.Second)
		api.run, api.forward = pageAt(address), forward
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var got string
		err := api.pod(t).Page(ctx, 0, func(url string) {
			defer cancel()
			resp, err := http.Get(url)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			got = string(text)
		})
		if err != nil || !strings.HasPrefix(got, "the page for 127.0.0.1:") {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("W1 a syncer without a page", func(t *testing.T) {
		api := newAPIServer("syncer-0_5f0c", time.Second)
		api.run = pageAt("")
		err := api.pod(t).Page(t.Context(), 0, func(url string) { t.Errorf("opened %s", url) })
		if err == nil || !strings.Contains(err.Error(), "set page.address") {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("W1 without the right to forward ports", func(t *testing.T) {
		api := newAPIServer("syncer-0_5f0c", time.Second)
		api.run = pageAt(address)
		err := api.pod(t).Page(t.Context(), 0, func(url string) { t.Errorf("opened %s", url) })
		const want = `ask for the right to create pods/portforward in namespace "federation-system"`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error: %v", err)
		}
	})
}
