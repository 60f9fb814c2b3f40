package web

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/snapshot"
)

// pageSize is how many services a page of the list has.
const pageSize = 50

// serviceList is a page of the services that match.
type serviceList struct {
	Rows           []serviceRow
	Matching       int
	Query          string
	Page, Pages    int
	Previous, Next string // addresses; "" if there is none
}

type serviceRow struct {
	Name, Namespace, Federation, Domain string
	Link                                string
	Healthy, Shards                     int
	State                               string
	Good                                bool
	// Answer is what the global name has.
	Answer string
	// Reasons are those of held addresses and of shards that are not healthy, each once.
	Reasons string
}

// listServices returns the page of the services whose name or namespace has the query in it: q, and page from 1.
func (s *Server) listServices(all []*snapshot.Federation, query url.Values) serviceList {
	q := strings.ToLower(strings.TrimSpace(query.Get("q")))
	list := serviceList{Query: q, Page: 1}
	if n, err := strconv.Atoi(query.Get("page")); err == nil && n > 1 {
		list.Page = n
	}
	type match struct {
		federation *snapshot.Federation
		service    *snapshot.Service
	}
	var found []match
	for _, f := range all {
		for _, service := range f.Views.List() {
			if matches(f.Config.Name, service.Name, q) {
				found = append(found, match{f, service})
			}
		}
	}
	list.Matching, list.Pages = len(found), max(1, (len(found)+pageSize-1)/pageSize)
	list.Page = min(list.Page, list.Pages)
	first := (list.Page - 1) * pageSize
	for _, m := range found[first:min(first+pageSize, len(found))] {
		list.Rows = append(list.Rows, s.memo.row(m.federation, m.service))
	}
	if list.Page > 1 {
		list.Previous = listAddress(q, list.Page-1)
	}
	if list.Page < list.Pages {
		list.Next = listAddress(q, list.Page+1)
	}
	return list
}

// matches reports whether the query is in the name that pods use, NAME.NAMESPACE.FEDERATION, or in NAMESPACE/NAME.
func matches(fed federation.Label, service federation.ServiceName, q string) bool {
	if !strings.ContainsAny(q, "./") { // then it is in one part, and nothing need be put together
		return strings.Contains(service.Name, q) || strings.Contains(service.Namespace, q) ||
			strings.Contains(string(fed), q)
	}
	return strings.Contains(service.Name+"."+service.Namespace+"."+string(fed), q) ||
		strings.Contains(service.String(), q)
}

func listAddress(q string, page int) string {
	return "/services?" + url.Values{"q": {q}, "page": {strconv.Itoa(page)}}.Encode()
}

func rowOf(f *snapshot.Federation, s *snapshot.Service) serviceRow {
	status := f.Service(time.Now(), s)
	row := serviceRow{
		Name: s.Name.Name, Namespace: s.Name.Namespace,
		Federation: string(f.Config.Name), Domain: domainOf(f),
		Link:   serviceAddress(f, s),
		Shards: len(status.Shards),
	}
	var reasons []string
	for _, sh := range status.Shards {
		if sh.Healthy {
			row.Healthy++
		} else if sh.Reason != "" {
			reasons = append(reasons, sh.Member+" "+sh.Reason)
		}
	}
	for _, h := range status.Held {
		reasons = append(reasons, strings.TrimSpace(h.Member+" "+h.Reason))
	}
	global := string(f.Config.OwnerName(s.Name, f.Config.Domain))
	var answer []string
	for _, r := range status.Records {
		if r.Name == global {
			answer = append(answer, r.Data...)
		}
	}
	row.State, row.Good = status.State()
	row.Answer, row.Reasons = some(answer), some(reasons)
	return row
}

// serviceAddress is the address of the view of one service.
func serviceAddress(f *snapshot.Federation, s *snapshot.Service) string {
	address := "/service"
	for _, part := range []string{
		string(f.Config.Name), domainOf(f), s.Name.Namespace, s.Name.Name,
	} {
		address += "/" + url.PathEscape(part)
	}
	return address
}

// domainOf returns the federation's domain as people write it, without the final dot.
func domainOf(f *snapshot.Federation) string { return strings.TrimSuffix(string(f.Config.Domain), ".") }

// some lists the first four, and counts the others.
func some(list []string) string {
	const most = 4
	text := strings.Join(list[:min(most, len(list))], ", ")
	if n := len(list) - most; n > 0 {
		text += " and " + strconv.Itoa(n) + " more"
	}
	return text
}
