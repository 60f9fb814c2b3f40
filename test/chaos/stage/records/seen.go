package records

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
)

// Change is a change of the records that the API server has answered.
type Change struct {
	Syncer int
	// Made: it was made.
	Made bool
	// Asserts: it depends on what is there, the main claim too, as that is in the same ConfigMap.
	Asserts bool
	// Names are those that it changes, with what they had and get.
	Names map[string]Name
}

// Name is what a name has before and after a change: the lines of its records.
type Name struct{ Had, Gets string }

// Switches reports whether addresses become a CNAME, or back.
func (n Name) Switches() bool {
	alias := func(lines string) bool { return strings.Contains(lines, " IN CNAME ") }
	return n.Had != "" && n.Gets != "" && alias(n.Had) != alias(n.Gets)
}

// Uncompared are the types that the change writes whatever is there.
func (c Change) Uncompared() []string {
	if c.Asserts {
		return nil
	}
	return []string{"all"}
}

// seen is what is known of the ConfigMap whose word counts.
type seen struct {
	records Records
	see     func(Change)

	mu      sync.Mutex
	version string
	names   map[string]string // the lines of each name that has some
	// unsure is the syncer of the last change whose answer was lost, or nobody.
	unsure int
}

const nobody = -1

// readTime is how long reading what is there may take.
const readTime = 2 * time.Second

// change passes a change on, and sees what comes of it. Changes pass one after the other, so that their order is known.
func (s *seen) change(r *http.Request, body []byte, syncer int, pass func() *httptest.ResponseRecorder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := decode(body)
	if want == nil || want.Name != s.records.head() {
		pass() // what it says has been said by the head
		return
	}
	if want.ResourceVersion != s.version {
		s.reread(r.Context())
	}
	next := s.after(want.Data)
	c := Change{Syncer: syncer, Asserts: r.Method == http.MethodPost || want.ResourceVersion != "",
		Names: s.diff(next)}
	lost := true
	defer func() {
		if lost {
			s.unsure = syncer
		}
	}()
	answer := pass() // it panics if there is none
	lost = answer.Code >= http.StatusInternalServerError
	if is := decode(answer.Body.Bytes()); answer.Code < 300 && is != nil {
		c.Made = true
		s.version, s.unsure, s.names = is.ResourceVersion, nobody, next
	}
	if !lost {
		s.see(c)
	}
}

// reread reads what is there, after it was changed by somebody else, or by a change whose answer was lost.
func (s *seen) reread(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	is, err := s.records.ConfigMaps.Get(ctx, s.records.head(), metav1.GetOptions{})
	if err != nil || is.ResourceVersion == s.version {
		return
	}
	next := s.after(is.Data)
	claim := string(s.records.Federation.ClaimName(s.records.Federation.Domain))
	if s.unsure != nobody && next[claim] != s.names[claim] && next[claim] != "" { // or else somebody has deleted it
		s.see(Change{Syncer: s.unsure, Made: true, Asserts: true, Names: s.diff(next)})
	}
	s.version, s.unsure, s.names = is.ResourceVersion, nobody, next
}

// after returns the lines of each name once the head says this. What it has no word about stands in other ConfigMaps,
// if there are any.
func (s *seen) after(data map[string]string) map[string]string {
	next := map[string]string{}
	if !strings.Contains(data["state"], `"buckets":0`) {
		maps.Copy(next, s.names)
	}
	for line := range strings.Lines(data["removed"]) {
		delete(next, strings.TrimSpace(line))
	}
	own := map[string]string{}
	for line := range strings.Lines(data["records"]) {
		name, _, _ := strings.Cut(line, " ")
		own[name] += line
	}
	maps.Copy(next, own)
	return next
}

// diff returns the names that have other lines then.
func (s *seen) diff(next map[string]string) map[string]Name {
	out := map[string]Name{}
	for name, lines := range next {
		if had := s.names[name]; had != lines {
			out[name] = Name{had, lines}
		}
	}
	for name, had := range s.names {
		if _, ok := next[name]; !ok {
			out[name] = Name{Had: had}
		}
	}
	return out
}

// refused returns a name that begins so and is changed.
func (s *seen) refused(ctx context.Context, body []byte, prefix string) string {
	want := decode(body)
	if prefix == "" || want == nil || want.Name != s.records.head() {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if want.ResourceVersion != s.version {
		s.reread(ctx)
	}
	for name := range s.diff(s.after(want.Data)) {
		if strings.HasPrefix(name, prefix) {
			return name
		}
	}
	return ""
}

// decode returns the ConfigMap of a request or an answer, in any encoding; nil if it is none.
func decode(body []byte) *corev1.ConfigMap {
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return nil
	}
	cm, _ := object.(*corev1.ConfigMap)
	return cm
}

// writeStatus answers as an API server does.
func writeStatus(w http.ResponseWriter, code int, reason, message string) {
	body, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code),
		Reason: metav1.StatusReason(reason), Message: message,
	})
	if err != nil {
		panic(err) // it has no value that JSON lacks
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client asks again
}
