package syncer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/federation-dns/federation/federation"
)

// Waiting is a withdrawal or deletion that waits: of a service, as too much
// would go at once (X4b), or of all that a member has, which is not in the
// configuration any more (X4d).
type Waiting struct {
	Federation string `json:"federation"`
	Domain     string `json:"domain"`
	Namespace  string `json:"namespace,omitempty"`
	Service    string `json:"service,omitempty"`
	Member     string `json:"member,omitempty"`
	// Empties: the service loses its last address.
	Empties bool `json:"empties,omitempty"`
	// Services is how many lose their last address with the member.
	Services int `json:"services,omitempty"`
	// Names is how many of its names are deleted.
	Names int `json:"names,omitempty"`
	// Deletes are these names, of a service.
	Deletes []federation.FQDN `json:"deletes,omitempty"`
	// Emptied are the services, as namespace/name, and Levels the domains of the levels that go with a member.
	Emptied []string          `json:"emptied,omitempty"`
	Levels  []federation.FQDN `json:"levels,omitempty"`
	// Watched: it was seen by watches, and is let through at Until; else it waits
	// for a confirmation.
	Watched bool       `json:"watched"`
	Until   *time.Time `json:"until,omitempty"`
}

// waiting is what waits in a loop; called in its goroutine.
func (l *loop) waiting() (list []Waiting) {
	for _, b := range l.brake.Held() {
		w := Waiting{
			Federation: string(l.config.Name), Domain: string(l.config.Domain), Namespace: b.Service.Namespace, Service: b.Service.Name,
			Empties: b.Empties, Names: len(b.Names), Deletes: b.Names, Watched: b.Watched,
		}
		if b.Watched {
			w.Until = &b.Until
		}
		list = append(list, w)
	}
	return append(list, l.waitingMembers()...)
}

// confirmAll confirms those of the list that are this loop's, and counts them: what has grown since it was shown waits
// again (X4c).
func (l *loop) confirmAll(list []Waiting) (n int) {
	for _, w := range list {
		if w.Federation != string(l.config.Name) || w.Domain != string(l.config.Domain) {
			continue
		}
		if w.Member != "" && l.confirmDeparture(w) || w.Member == "" && l.confirm(federation.ServiceName{Namespace: w.Namespace, Name: w.Service}, w.Deletes) {
			n++
		}
	}
	return n
}

// maxConfirm bounds the body of a confirmation.
const maxConfirm = 16 << 20

func (s *listener) handleConfirm(mux *http.ServeMux) {
	mux.HandleFunc("GET /waiting", func(w http.ResponseWriter, r *http.Request) {
		list := []Waiting{}
		if err := s.loops.each(r.Context(), func(l *loop) { list = append(list, l.waiting()...) }); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list) // a client that went away
	})
	mux.HandleFunc("POST /confirm", func(w http.ResponseWriter, r *http.Request) {
		var list []Waiting
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxConfirm)).Decode(&list); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n := 0
		if err := s.loops.each(r.Context(), func(l *loop) { n += l.confirmAll(list) }); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(n)
	})
}

// FetchWaiting asks a running syncer what waits for a confirmation.
func FetchWaiting(ctx context.Context, socket string) (list []Waiting, err error) {
	return list, callAdmin(ctx, socket, http.MethodGet, "/waiting", nil, &list)
}

// Confirm lets exactly these happen, and returns how many still waited as they were shown.
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
			return fmt.Errorf("no syncer answers on socket %q (is it running, and may you open its socket?): %w", socket, opErr.Err)
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
