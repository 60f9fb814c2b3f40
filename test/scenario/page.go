package scenario

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/test/world"
)

// LookAtPage is the step that looks at the syncer's page. at is its address for people, "" if there is none.
func LookAtPage(at string) Step {
	step := Step{
		Name: "Look at the page: the whole federation at a glance, live",
		Does: []string{"kubectl federation dashboard"},
		Expect: []Check{{
			Expect: "the page of the Service says what a pod gets in each cluster",
			See: func(ctx context.Context, p *Play) (string, error) {
				rows, err := whoGetsWhat(ctx, p)
				return strings.Join(rows, "\n"), err
			},
			Until: func(seen string) bool {
				for _, cluster := range []string{asia, europe, central, east} {
					if !strings.Contains(seen, cluster+" ") {
						return false
					}
				}
				return strings.Count(seen, ": the local Service's own address") == 4
			},
		}},
	}
	if at != "" {
		step.Does = append(step.Does, "here it is at http://"+at+" while the demo runs")
	}
	return step
}

// Page returns the address of the syncer's page, inside.
func (p *Play) Page(ctx context.Context) (string, error) {
	status, err := admin.FetchStatus(ctx, world.AdminSocket(p.Dir()), false)
	if err != nil {
		return "", err
	}
	return status.Page, nil
}

// whoGetsWhat returns the first two columns of the matrix on the page of the Service: a place, and what a pod there
// gets.
func whoGetsWhat(ctx context.Context, p *Play) (rows []string, err error) {
	page, err := p.Page(ctx)
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("http://%s/service/%s/%s/%s/%s", page, world.FederationName, world.Domain,
		world.Namespace, world.Service)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	doc, err := html.Parse(resp.Body)
	if err != nil {
		return nil, err
	}
	for table := range doc.Descendants() {
		if table.Data != "table" || !slices.Contains(table.Attr, html.Attribute{Key: "class", Val: "matrix"}) {
			continue
		}
		for row := range table.Descendants() {
			if cells := cellsOf(row); row.Data == "tr" && len(cells) > 1 && cells[0] != "A pod in" {
				rows = append(rows, cells[0]+": "+cells[1])
			}
		}
	}
	return rows, nil
}

// cellsOf returns the texts of the cells of a row.
func cellsOf(row *html.Node) (cells []string) {
	for cell := range row.ChildNodes() {
		if cell.Type != html.ElementNode {
			continue
		}
		var text []string
		for part := range cell.Descendants() {
			if part.Type == html.TextNode {
				text = append(text, strings.Fields(part.Data)...)
			}
		}
		cells = append(cells, strings.Join(text, " "))
	}
	return cells
}
