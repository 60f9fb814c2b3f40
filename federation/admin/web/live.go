package web

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	// every is how often the views that are open are made anew.
	every = 250 * time.Millisecond
	// share is the part of one core that making them may take: if it takes long, it is done less often.
	share = 5
	// alive is how often a connection without news is shown to be alive.
	alive = 15 * time.Second
	// maxOpen bounds the pages that are open at the same time.
	maxOpen = 48
)

// hub makes the views that are open anew, each once for all that show it, and hands out those that have changed (W2).
// It does nothing while none is open.
type hub struct {
	render func(address string, before *rendering) (*rendering, error)
	idle   func() // is called when none is open any more

	mu      sync.Mutex
	views   map[string]*shown
	open    int
	running bool
	closed  chan struct{}
	ended   sync.WaitGroup
}

// shown is a view that is open.
type shown struct {
	*rendering
	readers map[chan []byte]bool // each holds the newest version that has not been sent
}

func newHub(render func(string, *rendering) (*rendering, error), idle func()) *hub {
	return &hub{render: render, idle: idle, views: map[string]*shown{}, closed: make(chan struct{})}
}

// close ends what runs and waits for it.
func (h *hub) close() {
	h.mu.Lock()
	select {
	case <-h.closed:
	default:
		close(h.closed)
	}
	h.mu.Unlock()
	h.ended.Wait()
}

// subscribe returns a channel of the versions of a view, beginning with the present one, until leave is called. It
// returns nil if too many pages are open.
func (h *hub) subscribe(address string) (versions chan []byte, leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open >= maxOpen {
		return nil, nil
	}
	v := h.views[address]
	if v == nil {
		h.mu.Unlock()
		first, err := h.render(address, nil)
		h.mu.Lock()
		if err != nil || h.open >= maxOpen {
			return nil, nil
		}
		if v = h.views[address]; v == nil { // and not opened by another one meanwhile
			v = &shown{rendering: first, readers: map[chan []byte]bool{}}
			h.views[address] = v
		}
	}
	h.open++
	versions = make(chan []byte, 1)
	versions <- v.event
	v.readers[versions] = true
	if !h.running {
		h.running = true
		h.ended.Go(h.run)
	}
	return versions, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.open--
		if delete(v.readers, versions); len(v.readers) == 0 {
			delete(h.views, address)
		}
	}
}

// run makes the views anew until none is open.
func (h *hub) run() {
	next := time.NewTimer(every)
	defer next.Stop()
	for {
		select {
		case <-h.closed:
			return
		case <-next.C:
		}
		began := time.Now()
		open := h.openViews()
		if open == nil {
			h.idle()
			return
		}
		for address, before := range open {
			if now, err := h.render(address, before); err == nil && now != before {
				h.publish(address, now)
			}
			runtime.Gosched() // a loop that has something to do comes first
		}
		took := time.Since(began)
		next.Reset(max(every-took, (share-1)*took))
	}
}

// openViews returns the views that are open, with what is shown of them; nil if none is, and then run has to end.
func (h *hub) openViews() map[string]*rendering {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running = len(h.views) > 0; !h.running {
		return nil
	}
	open := make(map[string]*rendering, len(h.views))
	for address, v := range h.views {
		open[address] = v.rendering
	}
	return open
}

// publish hands out a version if it differs from the one before. A reader that is slow skips versions.
func (h *hub) publish(address string, now *rendering) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.views[address]
	if v == nil {
		return
	}
	before := v.event
	if v.rendering = now; bytes.Equal(before, now.event) {
		return
	}
	for versions := range v.readers {
		select {
		case <-versions:
		default:
		}
		versions <- now.event
	}
}

// live sends the versions of a view as server-sent events.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	address := r.FormValue("view")
	if len(address) > maxView || !strings.HasPrefix(address, "/") {
		http.Error(w, "view is the path of a page", http.StatusBadRequest)
		return
	}
	versions, leave := s.hub.subscribe(address)
	if versions == nil {
		http.Error(w, fmt.Sprintf("%d pages are open already", maxOpen), http.StatusServiceUnavailable)
		return
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // that of a request would end the response; every connection supports it
	idle := time.NewTicker(alive)
	defer idle.Stop()
	for {
		message := []byte(": alive\n\n")
		select {
		case <-r.Context().Done():
			return
		case <-s.hub.closed:
			return
		case <-idle.C:
		case message = <-versions:
		}
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := w.Write(message); err != nil {
			return
		}
		if err := control.Flush(); err != nil {
			return
		}
	}
}

// event returns the event that has the text as its data.
func event(text []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		out.WriteString("data: ")
		out.Write(bytes.TrimRight(line, "\r\n"))
		out.WriteByte('\n')
	}
	out.WriteByte('\n')
	return out.Bytes()
}
