// Package web serves the page: the whole federation at a glance, live, for people (W1 to W3). It reads snapshots, and
// never waits for a loop. There is nothing secret on it, and nothing to press: changes go through kubectl.
//
// A view is what one address shows: overview.go, services.go and service.go make the views from snapshots, templates
// puts them into words, and live.go sends the views that are open whenever they change.
package web

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation/snapshot"
)

// Syncer is what the page shows. Its methods may be called concurrently, and do not block.
type Syncer interface {
	// Snapshots returns what is known of each federation that runs here: none while another replica has the Lease.
	Snapshots() []*snapshot.Federation
	// Leader returns the replica that writes if that is another one, or else "".
	Leader() string
}

// securityPolicy is the page's Content-Security-Policy: everything on it comes from here, and nothing in it is inline
// (W2).
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const (
	// writeTimeout bounds how long a client may take to receive something.
	writeTimeout = 10 * time.Second
	// maxView bounds the length of a view's address.
	maxView = 1024
)

var (
	//go:embed static templates
	files embed.FS
	pages = template.Must(template.New("").Funcs(functions).ParseFS(files, "templates/*.html"))
)

// Server serves the page. Use NewServer.
type Server struct {
	syncer  Syncer
	version string
	hub     *hub
	memo    memo
	mux     *http.ServeMux
}

// NewServer returns a server of the page of a syncer of that version. The caller has to close it.
func NewServer(s Syncer, version string) *Server {
	server := &Server{syncer: s, version: version, mux: http.NewServeMux()}
	server.hub = newHub(server.render, server.memo.clear)
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // of an embedded folder
	}
	server.mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	server.mux.HandleFunc("GET /live", server.live)
	server.mux.HandleFunc("GET /", server.page)
	return server
}

// Close ends the connections over which views are sent.
func (s *Server) Close() { s.hub.close() }

// ServeHTTP implements http.Handler. A Host that is not this machine is refused: a page of another site whose name
// leads here could read everything otherwise.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isLoopback(r.Host) {
		http.Error(w, "open this page as http://localhost:PORT or http://127.0.0.1:PORT: "+
			"no other host name is accepted", http.StatusForbidden)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", securityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	s.mux.ServeHTTP(w, r)
}

// isLoopback reports whether the Host of a request is this machine: localhost, or a loopback address.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// page serves a view as a whole page, which needs no script.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	if len(r.URL.RequestURI()) > maxView {
		http.Error(w, "the address is too long", http.StatusRequestURITooLong)
		return
	}
	v := s.view(r.URL)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(v.code)
	_ = pages.ExecuteTemplate(w, "page", v) // a client that went away
}

// rendering is the part of a view that is live, in words, and what it was made from.
type rendering struct {
	view  *view
	event []byte // that brings it to a browser
}

// render renders the part of a view that is live. It returns before, the rendering until now or nil, if nothing has
// changed.
func (s *Server) render(address string, before *rendering) (*rendering, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	v := s.view(u)
	if before != nil && reflect.DeepEqual(v, before.view) {
		return before, nil
	}
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, "live", v); err != nil {
		return nil, err
	}
	return &rendering{v, event(out.Bytes())}, nil
}

// view is what one address shows.
type view struct {
	Title, Template string
	// Address is that of the view itself, Query what is searched for.
	Address, Query string
	Version        string
	// Leader is the replica that writes, if it is another one; then there is nothing to see here.
	Leader string
	Data   any
	code   int
}

// view makes the view of an address; one that does not exist says so.
func (s *Server) view(u *url.URL) *view {
	v := &view{
		Title: "Federation", Address: u.RequestURI(), Query: u.Query().Get("q"), Version: s.version,
		Leader: s.syncer.Leader(), code: http.StatusOK,
	}
	all := s.syncer.Snapshots()
	path := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, part := range path {
		path[i], _ = url.PathUnescape(part) // has been parsed already
	}
	switch {
	case len(path) == 1 && path[0] == "":
		v.Template, v.Data = "overview", overviews(all)
	case len(path) == 1 && path[0] == "services":
		v.Title, v.Template, v.Data = "Services", "services", s.listServices(all, u.Query())
	case len(path) == 5 && path[0] == "service":
		v.Title, v.Template = path[4]+"."+path[3]+"."+path[1], "service"
		if data := s.findService(all, path[1], path[2], path[3], path[4]); data != nil {
			v.Data = data
		} else {
			v.Template, v.code = "unknown", http.StatusNotFound
		}
	default:
		v.Template, v.code = "unknown", http.StatusNotFound
	}
	return v
}
