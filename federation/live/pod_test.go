package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/admin"
)

// The channels of a remote command (remotecommand.StreamProtocolV5Name).
const (
	channelIn, channelOut, channelErr, channelStatus, channelClose = 0, 1, 2, 3, 255
)

// apiServer is an API server with a Lease, and a pod in which commands can be run.
type apiServer struct {
	lease  *coordinationv1.Lease
	denied map[string]bool                                                        // resources
	run    func(command []string, stdin string) (stdout, stderr string, code int) // in the pod
	paths  []string
	// forward serves pods/portforward.
	forward http.HandlerFunc
}

func newAPIServer(holder string, renewed time.Duration) *apiServer {
	seconds, at := int32(15), metav1.NewMicroTime(time.Now().Add(-renewed))
	return &apiServer{denied: map[string]bool{}, lease: &coordinationv1.Lease{
		TypeMeta:   metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "federation-system", Name: "federation-syncer"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &at},
	}}
}

func (s *apiServer) pod(t *testing.T) *Pod {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return &Pod{Config: &rest.Config{Host: server.URL}, Namespace: "federation-system", Lease: "federation-syncer"}
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.paths = append(s.paths, r.URL.Path)
	switch {
	case strings.HasSuffix(r.URL.Path, "/leases/federation-syncer"):
		if s.denied["leases"] {
			refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden,
				`leases.coordination.k8s.io "federation-syncer" is forbidden: User "eve" cannot get resource "leases"`)
			return
		}
		if s.lease == nil {
			refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound,
				`leases.coordination.k8s.io "federation-syncer" not found`)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.lease)
	case strings.HasSuffix(r.URL.Path, "/pods/syncer-0/portforward") && s.forward != nil:
		if r.Method != http.MethodPost { // a WebSocket
			w.WriteHeader(http.StatusForbidden)
		} else {
			s.forward(w, r)
		}
	case strings.HasSuffix(r.URL.Path, "/portforward"):
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden,
			`pods "syncer-0" is forbidden: User "eve" cannot create resource "pods/portforward"`)
	case s.denied["pods/exec"]:
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden,
			`pods "syncer-0" is forbidden: User "eve" cannot create resource "pods/exec"`)
	case !strings.HasSuffix(r.URL.Path, "/namespaces/federation-system/pods/syncer-0/exec"):
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, `pods "gone" not found`)
	default:
		s.exec(w, r)
	}
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code),
		Reason: reason, Message: message,
	})
}

// exec runs the command over a WebSocket.
func (s *apiServer) exec(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{remotecommand.StreamProtocolV5Name}}
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the client sees it
	}
	defer func() { _ = c.Close() }()
	var stdin bytes.Buffer
	for open := r.URL.Query().Get("stdin") == "true"; open; {
		_, data, err := c.ReadMessage()
		if err != nil {
			return
		}
		switch data[0] {
		case channelIn:
			stdin.Write(data[1:])
		case channelClose:
			open = false
		}
	}
	stdout, stderr, code := s.run(r.URL.Query()["command"], stdin.String())
	status := metav1.Status{Status: metav1.StatusSuccess}
	if code != 0 {
		status = metav1.Status{Status: metav1.StatusFailure, Reason: "NonZeroExitCode", Details: &metav1.StatusDetails{
			Causes: []metav1.StatusCause{{Type: "ExitCode", Message: fmt.Sprint(code)}}}}
	}
	end, _ := json.Marshal(status) // always possible
	for channel, text := range map[byte]string{channelOut: stdout, channelErr: stderr} {
		_ = c.WriteMessage(websocket.BinaryMessage, append([]byte{channel}, text...))
	}
	_ = c.WriteMessage(websocket.BinaryMessage, append([]byte{channelStatus}, end...))
	_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	_, _, _ = c.ReadMessage() // until the client has closed it too
}

func TestPod(t *testing.T) {
	want := &admin.Status{Version: "v1.2.3", Federations: []admin.FederationStatus{{Name: "fed", Naming: "flat"}}}
	t.Run("V2 the status is asked in the pod that holds the Lease", func(t *testing.T) {
		s := newAPIServer("syncer-0_5f0c", 3*time.Second)
		var ran []string
		s.run = func(command []string, _ string) (string, string, int) {
			ran = command
			text, _ := json.Marshal(want)
			return string(text), "", 0
		}
		got, err := s.pod(t).Status(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
		if !slices.Equal(ran, []string{"/federation-syncer", "status", "-o", "json", "--services"}) {
			t.Errorf("ran %q", ran)
		}
		if n := len(s.paths); n != 2 {
			t.Errorf("%d requests: %q", n, s.paths)
		}
	})
	t.Run("V8 what is confirmed is what was shown", func(t *testing.T) {
		list := []admin.Waiting{{Federation: "fed", Namespace: "shop", Service: "cart", Empties: true}}
		s := newAPIServer("syncer-0_5f0c", 3*time.Second)
		s.run = func(command []string, stdin string) (string, string, int) {
			var got []admin.Waiting
			if err := json.Unmarshal([]byte(stdin), &got); err != nil || cmp.Diff(list, got) != "" {
				return "", fmt.Sprintf("got %q", stdin), 1
			}
			if !slices.Equal(command[1:], []string{"confirm", "--exactly", "-", "-o", "json"}) {
				return "", fmt.Sprintf("ran %q", command), 1
			}
			return `{"confirmed":1,"of":1}`, "", 0
		}
		if n, err := s.pod(t).Confirm(t.Context(), list); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	})
}

// TestPodErrors holds what a user is told who reaches no syncer: what happened, what to do, and what is known.
func TestPodErrors(t *testing.T) {
	fails := func([]string, string) (string, string, int) {
		return "", "federation-syncer: no syncer answers on socket\n", 1
	}
	for _, c := range []struct {
		name   string
		server func() *apiServer
		want   []string
	}{
		{"V2 no right for pods/exec: the right, and who writes", func() *apiServer {
			s := newAPIServer("syncer-0_5f0c", 3*time.Second)
			s.denied["pods/exec"] = true
			return s
		}, []string{`ask for the right to create pods/exec in namespace "federation-system"`,
			`User "eve" cannot create resource "pods/exec"`,
			`Known is that replica "syncer-0" writes: it renewed its Lease 3s ago`}},
		{"V2 no right for the Lease", func() *apiServer {
			s := newAPIServer("syncer-0_5f0c", 0)
			s.denied["leases"] = true
			return s
		}, []string{`ask for the right to get leases.coordination.k8s.io "federation-syncer" in namespace ` +
			`"federation-system", and to create pods/exec there`}},
		{"V2 no syncer in the cluster", func() *apiServer {
			s := newAPIServer("", 0)
			s.lease = nil
			return s
		}, []string{"there is no Lease federation-system/federation-syncer at http://127.0.0.1", "--context",
			"--syncer-namespace", "--socket"}},
		{"V2 a Lease that nobody holds", func() *apiServer { return newAPIServer("", 0) },
			[]string{"no replica holds Lease federation-system/federation-syncer",
				"kubectl -n federation-system get pods"}},
		{"V2 a Lease that nobody renews", func() *apiServer { return newAPIServer("syncer-0_5f0c", time.Hour) },
			[]string{"no replica has renewed Lease federation-system/federation-syncer for 1h0m0s",
				`the last was "syncer-0"`}},
		{"V2 a holder outside the cluster", func() *apiServer { return newAPIServer("vm-7_5f0c", 0) },
			[]string{`pod "vm-7", which holds the Lease, is not in namespace "federation-system"`, "--socket"}},
		{"V2 a command that fails", func() *apiServer {
			s := newAPIServer("syncer-0_5f0c", 0)
			s.run = fails
			return s
		}, []string{`pod "syncer-0": federation-syncer: no syncer answers on socket`}},
		{"V2 another program's answer", func() *apiServer {
			s := newAPIServer("syncer-0_5f0c", 0)
			s.run = func([]string, string) (string, string, int) { return "hello", "", 0 }
			return s
		}, []string{`the answer of pod "syncer-0" cannot be read (is it of another version?)`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.server().pod(t).Status(t.Context())
			if !errors.Is(err, ErrNoSyncer) {
				t.Fatalf("not ErrNoSyncer: %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in\n%v", want, err)
				}
			}
		})
	}
}
