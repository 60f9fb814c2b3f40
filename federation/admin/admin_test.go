package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation"
)

// fake is a syncer; err is what it fails with.
type fake struct {
	status    Status
	waiting   []Waiting
	confirmed []Waiting
	err       error
}

func (f *fake) Status(_ context.Context, services bool) (Status, error) {
	status := f.status
	status.Federations = []FederationStatus{f.status.Federations[0]}
	if !services {
		status.Federations[0].Services = nil
	}
	return status, f.err
}

func (f *fake) StatusIf(_ context.Context, a Assumption) (Status, error) {
	status := f.status
	status.If = &a
	return status, f.err
}

func (f *fake) Waiting(context.Context) ([]Waiting, error) { return f.waiting, f.err }

func (f *fake) Confirm(_ context.Context, list []Waiting) (int, error) {
	f.confirmed = list
	return len(list), f.err
}

// listen serves f on a socket.
func listen(t *testing.T, f *fake) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: Handler(f)}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	return socket
}

func TestAdmin(t *testing.T) {
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	f := &fake{
		status: Status{Leader: "b", Federations: []FederationStatus{{
			Name: "fed", Domain: "example.com", State: "writing", PanicSince: &until,
			Members: []MemberStatus{{
				Name: "a", Status: "present", Since: until, MemberContact: MemberContact{LastContact: &until},
				Zones: []string{"z1"}, Shards: 2,
			}},
			FederationLevels: FederationLevels{
				Levels: []LevelStatus{{Name: "example.com.", Kind: "global", Members: []string{"a"}}},
			},
			Services: []ServiceStatus{{
				Name: "ns/web", Records: []RRsetStatus{{Name: "x.", Type: "A", TTL: 180, Data: []string{"192.0.2.1"}}},
			}},
		}}},
		waiting: []Waiting{{
			Federation: "fed", Domain: "example.com.", Namespace: "ns", Service: "web",
			Deletes: []federation.FQDN{"x."}, Until: &until,
		}},
	}
	socket, ctx := listen(t, f), t.Context()
	t.Run("C1 the client gets the status that the syncer gives", func(t *testing.T) {
		for _, services := range []bool{true, false} {
			want, _ := f.Status(ctx, services)
			if got, err := FetchStatus(ctx, socket, services); err != nil || !reflect.DeepEqual(got, &want) {
				t.Errorf("services %t: got %+v, %v, want %+v", services, got, err, want)
			}
		}
	})
	t.Run("S2 streamed services are sent as a list of them is", func(t *testing.T) {
		for n := range 3 {
			list := make([]ServiceStatus, n)
			for i := range list {
				list[i] = f.status.Federations[0].Services[0]
				list[i].Name = fmt.Sprintf("ns/%d", i)
			}
			plain := Status{Federations: []FederationStatus{
				{Name: "a"}, {Name: "b", Services: list}, {Name: "c", Services: list},
			}}
			streamed := Status{Federations: []FederationStatus{
				{Name: "a"}, {Name: "b", Stream: slices.Values(list)}, {Name: "c", Stream: slices.Values(list)},
			}}
			var want, got strings.Builder
			enc := json.NewEncoder(&want)
			enc.SetIndent("", "  ")
			if err := errors.Join(enc.Encode(plain), writeStatus(&got, streamed)); err != nil ||
				got.String() != want.String() {
				t.Errorf("%v: got\n%s\nwant\n%s", err, got.String(), want.String())
			}
		}
	})
	t.Run("X4c the client confirms exactly what it was shown", func(t *testing.T) {
		list, err := FetchWaiting(ctx, socket)
		if err != nil || !reflect.DeepEqual(list, f.waiting) {
			t.Fatalf("got %+v, %v", list, err)
		}
		if n, err := Confirm(ctx, socket, list); err != nil || n != 1 || !reflect.DeepEqual(f.confirmed, list) {
			t.Errorf("confirmed %d %+v, %v", n, f.confirmed, err)
		}
	})
	t.Run("C1 nothing waits", func(t *testing.T) {
		socket := listen(t, &fake{})
		if list, err := FetchWaiting(ctx, socket); err != nil || list == nil || len(list) != 0 {
			t.Errorf("got %#v, %v, want an empty list", list, err)
		}
	})
	t.Run("C1 errors", func(t *testing.T) {
		f.err = errors.New("stuck")
		if _, err := FetchStatus(ctx, socket, false); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("a syncer that is stuck: %v", err)
		}
		if _, err := FetchStatus(ctx, socket+"x", false); err == nil ||
			!strings.Contains(err.Error(), "no syncer answers on socket") {
			t.Errorf("no socket: %v", err)
		}
		if err := callAdmin(ctx, socket, http.MethodPost, "/confirm", "all", new(int)); err == nil ||
			!strings.Contains(err.Error(), "400") {
			t.Errorf("no list: %v", err)
		}
	})
}
