package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// every is how often the views that are open are made anew.
	every = 250 * time.Millisecond
	// alive is how often a connection without news is shown to be alive.
	alive = 15 * time.Second
	// maxOpen bounds the pages that are open at the same time.
	maxOpen = 48
)

// hub makes the views that are open anew, each once for all that show it, and hands out those that have changed (W2).
// It does nothing while none is open.
type hub struct {
	render func(address string) ([]byte, error)

	mu      sync.Mutex
	views   map[string]*shown
	open    int
	running bool
	closed  chan struct{}
	ended   sync.WaitGroup
}

// shown is a view that is open.
type shown struct {
	html    []byte
	readers map[chan []byte]bool // each holds the newest version that has not been sent
}

func newHub(render func(string) ([]byte, error)) *hub {
	return &hub{render: render, views: map[string]*shown{}, closed: make(chan struct{})}
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
	html, err := h.render(address)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || h.open >= maxOpen {
		return nil, nil
	}
	h.open++
	v := h.views[address]
	if v == nil {
		v = &shown{html: html, readers: map[chan []byte]bool{}}
		h.views[address] = v
	}
	versions = make(chan []byte, 1)
	versions <- v.html
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
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-h.closed:
			return
		case <-tick.C:
		}
		addresses := h.addresses()
		if addresses == nil {
			return
		}
		for _, address := range addresses {
			if html, err := h.render(address); err == nil {
				h.publish(address, html)
			}
		}
	}
}

// addresses returns the views that are open; nil if none is, and then run has to end.
func (h *hub) addresses() (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for address := range h.views {
		list = append(list, address)
	}
	h.running = list != nil
	return list
}

// publish hands out a version if it differs from the one before. A reader that is slow skips versions.
func (h *hub) publish(address string, html []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.views[address]
	if v == nil || bytes.Equal(v.html, html) {
		return
	}
	v.html = html
	for versions := range v.readers {
		select {
		case <-versions:
		default:
		}
		versions <- html
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
		case html := <-versions:
			message = event(html)
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
