package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/federation-dns/federation/federation/admin"
)

// errNoPage says how to get a page.
var errNoPage = errors.New("the syncer serves no page: set page.address in its configuration, to 127.0.0.1:9154 say, " +
	"and restart it")

// Page implements Source: the page is on this machine already.
func (s Socket) Page(ctx context.Context, _ uint16, open func(url string)) error {
	status, err := admin.FetchStatus(ctx, string(s), false)
	if err != nil {
		return noSyncer{err}
	}
	if status.Page == "" {
		return errNoPage
	}
	open("http://" + status.Page)
	<-ctx.Done()
	return nil
}

// Page implements Source, by pods/portforward. It ends when another replica writes: the page would show nothing then.
func (p *Pod) Page(ctx context.Context, port uint16, open func(url string)) error {
	status, err := p.status(ctx)
	if err != nil {
		return err
	}
	if status.Page == "" {
		return errNoPage
	}
	_, remote, err := net.SplitHostPort(status.Page)
	if err != nil {
		return fmt.Errorf("the page's address, %q, cannot be read (is the syncer of another version?)", status.Page)
	}
	client, _, pod, err := p.writer(ctx)
	if err != nil {
		return noSyncer{err}
	}
	var refused refusal
	dialer, err := p.dialer(&refused, client.CoreV1().RESTClient().Post().Resource("pods").Namespace(p.Namespace).
		Name(pod).SubResource("portforward").URL().String())
	if err != nil {
		return err
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	defer context.AfterFunc(ctx, func() { close(stop) })()
	var said bytes.Buffer // by connections that fail
	forwarder, err := portforward.NewOnAddressesForStreaming(dialer, []string{"127.0.0.1"},
		[]string{fmt.Sprintf("%d:%s", port, remote)}, stop, ready, io.Discard, &said)
	if err != nil {
		return err
	}
	ended, opened := make(chan error, 1), false
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case err = <-ended:
	case <-ready:
		ports, portErr := forwarder.GetPorts()
		if portErr != nil {
			return portErr
		}
		opened = true
		open(fmt.Sprintf("http://127.0.0.1:%d", ports[0].Local))
		err = <-ended
	}
	switch {
	case ctx.Err() != nil:
		return nil
	case !opened && refused.status != nil && apierrors.IsForbidden(refused.status):
		return noSyncer{fmt.Errorf("you may not reach the page: ask for the right to create pods/portforward in "+
			"namespace %q (%w)", p.Namespace, err)}
	case err == nil:
		err = errors.New(strings.TrimSpace("the connection has ended " + said.String()))
	}
	return noSyncer{fmt.Errorf("pod %q: %w", pod, err)}
}

// dialer connects to the pod, over a WebSocket, or SPDY where that does not get through.
func (p *Pod) dialer(refused *refusal, address string) (httpstream.Dialer, error) {
	request, err := http.NewRequest(http.MethodPost, address, nil)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(p.Config)
	if err != nil {
		return nil, err
	}
	socket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(request.URL, p.Config)
	if err != nil {
		return nil, err
	}
	plain := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, request.URL)
	return portforward.NewFallbackDialerForStreaming(socket, plain, refused.fallBack), nil
}
