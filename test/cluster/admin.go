package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/labels"
)

const adminSocket = "admin.sock"

// backendState is what the admin socket returns for one pod.
type backendState struct {
	Pod   string `json:"pod"`
	State string `json:"state"`
	Error string `json:"error,omitempty"`
}

// serveAdmin answers on the Unix socket in the cluster's folder until ctx ends: GET /backends, POST /backends/kill,
// POST /backends/start, each with the parameters namespace and selector.
func serveAdmin(ctx context.Context, o options, k *kubelet) error {
	path := o.socket(adminSocket)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /backends", k.adminHandler(func(*podRun) error { return nil }))
	mux.Handle("POST /backends/kill", k.adminHandler(func(r *podRun) error { r.kill(); return nil }))
	mux.Handle("POST /backends/start", k.adminHandler((*podRun).revive))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (k *kubelet) adminHandler(act func(*podRun) error) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		selector, err := labels.Parse(req.FormValue("selector"))
		if err != nil {
			http.Error(w, fmt.Sprintf("selector %q: %v", req.FormValue("selector"), err), http.StatusBadRequest)
			return
		}
		runs := k.backends(req.FormValue("namespace"), selector)
		if len(runs) == 0 && req.Method == http.MethodPost {
			http.Error(w, errNoBackend.Error(), http.StatusNotFound)
			return
		}
		states := make([]backendState, 0, len(runs))
		for _, r := range runs {
			s := backendState{Pod: r.key()}
			if err := act(r); err != nil {
				s.Error = err.Error()
			}
			s.State = r.state()
			r.changed()
			states = append(states, s)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(states) // the client may be gone
	}
}

// backendsCommand is the client of the admin socket.
func backendsCommand(args []string, stdout io.Writer) error {
	f := pflag.NewFlagSet("testcluster backends", pflag.ContinueOnError)
	dir := f.String("dir", "", "folder of the cluster (required)")
	namespace := f.StringP("namespace", "n", "", "only pods of this namespace")
	selector := f.StringP("selector", "l", "", "only pods with these labels")
	f.Usage = func() { fmt.Fprint(os.Stderr, usage, f.FlagUsages()) }
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil
		}
		return err
	}
	verb := "list"
	if f.NArg() > 0 {
		verb = f.Arg(0)
	}
	method, path := http.MethodPost, "/backends/"+verb
	switch verb {
	case "list":
		method, path = http.MethodGet, "/backends"
	case "kill", "start":
	default:
		return fmt.Errorf("unknown verb %q: list, kill and start are allowed", verb)
	}
	if *dir == "" {
		return errors.New("--dir is required")
	}
	socket := options{dir: *dir}.socket(adminSocket)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	query := url.Values{"namespace": {*namespace}, "selector": {*selector}}
	req, err := http.NewRequest(method, "http://cluster"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("is the cluster running? %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(string(body))
	}
	var states []backendState
	if err := json.Unmarshal(body, &states); err != nil {
		return err
	}
	for _, s := range states {
		fmt.Fprintf(stdout, "%s %s %s\n", s.Pod, s.State, s.Error)
	}
	return nil
}
