package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"runtime"
	"slices"
	"time"
)

const (
	// headerTimeout bounds how long a client may take to send the header of a request.
	headerTimeout = 5 * time.Second
	// statusTimeout bounds how long the status of all services may take.
	statusTimeout = time.Minute
	// idleTimeout is how long a connection is kept without a request.
	idleTimeout = 30 * time.Second
	// maxConfirm bounds the body of a confirmation.
	maxConfirm = 16 << 20
)

// Syncer is what the socket shows and changes. Its methods may be called concurrently. An error names what does not
// answer.
type Syncer interface {
	// Status returns the whole state; with services it includes that of each service.
	Status(ctx context.Context, services bool) (Status, error)
	// StatusIf returns the state, with each service, as it would be with the assumption.
	StatusIf(ctx context.Context, a Assumption) (Status, error)
	// Waiting returns the changes that wait for a confirmation, or for holdFor (X4).
	Waiting(ctx context.Context) ([]Waiting, error)
	// Confirm allows exactly these changes, and returns how many of them still waited as they were shown.
	Confirm(ctx context.Context, list []Waiting) (n int, err error)
}

// Handler serves a syncer over HTTP: the status, the changes that wait, and their confirmation.
func Handler(s Syncer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), statusTimeout)
		defer cancel()
		var status Status
		var err error
		if a := assumption(r); a != nil {
			status, err = s.StatusIf(ctx, *a)
		} else {
			status, err = s.Status(ctx, r.FormValue("services") != "")
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = writeStatus(w, status) // a client that went away
	})
	mux.HandleFunc("GET /waiting", func(w http.ResponseWriter, r *http.Request) {
		list, err := s.Waiting(r.Context())
		reply(w, append([]Waiting{}, list...), err) // never null
	})
	mux.HandleFunc("POST /confirm", func(w http.ResponseWriter, r *http.Request) {
		var list []Waiting
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxConfirm)).Decode(&list); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n, err := s.Confirm(r.Context(), list)
		reply(w, n, err)
	})
	return mux
}

// The parameters of a status with an assumption.
const (
	ifDrained    = "if-drained"
	ifUncordoned = "if-uncordoned"
)

// assumption returns the assumption that a request for the status makes; nil if it makes none.
func assumption(r *http.Request) *Assumption {
	if m := r.FormValue(ifDrained); m != "" {
		return &Assumption{Member: m, Drained: true}
	}
	if m := r.FormValue(ifUncordoned); m != "" {
		return &Assumption{Member: m}
	}
	return nil
}

func reply(w http.ResponseWriter, value any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // a client that went away
}

// writeStatus writes a status as indented JSON. Streamed services are encoded one at a time, and it yields the
// processor between them (S2).
func writeStatus(w io.Writer, status Status) error {
	const indent, deep = "  ", "        "
	mark := ServiceStatus{Name: "\x00"} // where the services belong
	var streams []iter.Seq[ServiceStatus]
	status.Federations = slices.Clone(status.Federations)
	for i := range status.Federations {
		f := &status.Federations[i]
		if f.Stream == nil {
			continue
		}
		for range f.Stream { // if there are any
			f.Services, streams = []ServiceStatus{mark}, append(streams, f.Stream)
			break
		}
	}
	text, err := json.MarshalIndent(status, "", indent)
	if err != nil {
		return err
	}
	place, err := json.MarshalIndent(mark, deep, indent) // has line ends, so that no string can hold it
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	for i, part := range bytes.Split(append(text, '\n'), place) {
		if i > 0 {
			separator := ""
			for service := range streams[i-1] {
				text, err := json.MarshalIndent(service, deep, indent)
				if err != nil {
					return err
				}
				_, _ = out.WriteString(separator) // the next write has its error
				if _, err := out.Write(text); err != nil {
					return err
				}
				separator = ",\n" + deep
				runtime.Gosched()
			}
		}
		if _, err := out.Write(part); err != nil {
			return err
		}
	}
	return out.Flush()
}

// NewServer returns a server that times out slow and idle clients, and bounds their number.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: 2 * headerTimeout,
		WriteTimeout: statusTimeout + 2*headerTimeout, IdleTimeout: idleTimeout, ConnState: newConnections().changed,
	}
}
