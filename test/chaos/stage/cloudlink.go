package stage

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// element is one RRset that a change at a cloud's API deletes or creates.
type element struct {
	deletes bool
	// compares: it fails unless what is there is what is deleted, or nothing is
	// there before what is created.
	compares  bool
	name, typ string
	data      []string
}

// api is what a cloudLink has to know of a cloud's API.
type api struct {
	// parse returns the elements of a change; ok is false for other requests.
	parse func(r *http.Request, body []byte) (elements []element, ok bool)
	// fail writes the answer of an API in trouble, and refuse that to a change of
	// a name that it does not take.
	fail   func(w http.ResponseWriter)
	refuse func(w http.ResponseWriter, name string)
}

// cloudLink is the way from the syncers to the stand-in of a cloud's API, with
// an address for each syncer. All requests are read on the way.
type cloudLink struct {
	api
	zone     Zone
	upstream http.Handler
	watch    func(Update)
	servers  []*httptest.Server
	turn     sync.Mutex // held while the stand-in has a change, so that their order is known

	mu   sync.Mutex
	mode Mode
	dead bool // the stand-in is killed
}

func newCloudLink(a api, zone Zone, upstream http.Handler, watch func(Update)) *cloudLink {
	l := &cloudLink{api: a, zone: zone, upstream: upstream, watch: watch}
	for i := range Syncers {
		l.servers = append(l.servers,
			httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.serve(w, r, i) })))
	}
	return l
}

func (l *cloudLink) url(syncer int) string { return l.servers[syncer].URL }

func (l *cloudLink) close() {
	for _, s := range l.servers {
		s.CloseClientConnections()
		s.Close()
	}
}

func (l *cloudLink) set(f func()) {
	l.mu.Lock()
	f()
	down := l.mode.Down || l.dead
	l.mu.Unlock()
	for _, s := range l.servers {
		if down {
			s.CloseClientConnections()
		}
	}
}

func (l *cloudLink) current() Mode {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.mode
	m.Down = m.Down || l.dead
	return m
}

// serve passes a request on as the mode has it.
func (l *cloudLink) serve(w http.ResponseWriter, r *http.Request, syncer int) {
	mode := l.current()
	body, err := io.ReadAll(r.Body)
	if err != nil || mode.Down {
		panic(http.ErrAbortHandler) // it ends the connection
	}
	time.Sleep(mode.Delay) // what is slow is slow
	elements, changes := l.parse(r, body)
	refused := slices.IndexFunc(elements,
		func(e element) bool { return mode.Refuse != "" && strings.HasPrefix(e.name, mode.Refuse) })
	switch {
	case changes && mode.LoseRequest:
		panic(http.ErrAbortHandler)
	case changes && mode.Servfail:
		l.fail(w)
		return
	case refused >= 0:
		l.refuse(w, elements[refused].name)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	if changes {
		l.turn.Lock()
		l.upstream.ServeHTTP(answer, r)
		l.watch(l.update(syncer, elements, answer.Code == http.StatusOK))
		l.turn.Unlock()
	} else {
		l.upstream.ServeHTTP(answer, r)
	}
	if changes && mode.LoseReply || l.current().Down {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client asks again
}

// update is what the elements come to. The claim is asserted by its deletion and
// creation as it is.
func (l *cloudLink) update(syncer int, elements []element, made bool) Update {
	u := Update{Syncer: syncer, Made: made, Names: map[string]Change{}}
	type sets struct{ gone, come map[string][]string } // data by type
	names := map[string]sets{}
	for _, e := range elements {
		s, ok := names[e.name]
		if !ok {
			s = sets{map[string][]string{}, map[string][]string{}}
			names[e.name] = s
		}
		if e.deletes {
			s.gone[e.typ] = e.data
		} else {
			s.come[e.typ] = e.data
		}
		if c := u.Names[e.name]; !e.compares {
			c.Uncompared = append(c.Uncompared, e.typ)
			u.Names[e.name] = c
		}
	}
	claim := string(l.zone.ClaimName(l.zone.Domain))
	address := func(s map[string][]string) bool { return len(s["A"]) > 0 || len(s["AAAA"]) > 0 }
	for name, s := range names {
		if name == claim {
			u.Asserts = true
			if slices.Equal(s.gone["TXT"], s.come["TXT"]) {
				continue // it stays
			}
		}
		c := u.Names[name]
		c.Switches = address(s.gone) && len(s.come["CNAME"]) > 0 || address(s.come) && len(s.gone["CNAME"]) > 0
		u.Names[name] = c
	}
	return u
}
