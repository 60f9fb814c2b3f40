package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// FetchStatus returns the status of a running syncer, from its admin socket. With services it includes each service.
func FetchStatus(ctx context.Context, socket string, services bool) (*Status, error) {
	path := "/status"
	if services {
		path += "?services=1"
	}
	var status Status
	if err := callAdmin(ctx, socket, http.MethodGet, path, nil, &status); err != nil {
		return nil, err
	}
	return &status, nil
}

// FetchStatusIf returns the status of a running syncer, with each service, as it would be with the assumption. A syncer
// that is too old for it is an error.
func FetchStatusIf(ctx context.Context, socket string, a Assumption) (*Status, error) {
	parameter := ifUncordoned
	if a.Drained {
		parameter = ifDrained
	}
	var status Status
	path := "/status?services=1&" + url.Values{parameter: {a.Member}}.Encode()
	if err := callAdmin(ctx, socket, http.MethodGet, path, nil, &status); err != nil {
		return nil, err
	}
	if status.Leader == "" && status.If == nil {
		return nil, fmt.Errorf("the syncer on socket %q predicts nothing: it is of an older version", socket)
	}
	return &status, nil
}

// FetchWaiting returns the changes that wait for a confirmation at a running syncer.
func FetchWaiting(ctx context.Context, socket string) (list []Waiting, err error) {
	return list, callAdmin(ctx, socket, http.MethodGet, "/waiting", nil, &list)
}

// Confirm allows exactly these changes, and returns how many of them still waited as they were shown.
func Confirm(ctx context.Context, socket string, list []Waiting) (n int, err error) {
	return n, callAdmin(ctx, socket, http.MethodPost, "/confirm", list, &n)
}

// callAdmin makes a request to the admin socket and decodes the answer.
func callAdmin(ctx context.Context, socket, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://syncer"+path, &body)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		var opErr *net.OpError
		if errors.As(err, &opErr) {
			return fmt.Errorf("no syncer answers on socket %q (is it running, and may you open its socket?): %w",
				socket, opErr.Err)
		}
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the syncer on socket %q answers %s", socket, res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("the answer on socket %q cannot be read: %w", socket, err)
	}
	return nil
}
