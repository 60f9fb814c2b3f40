package main

import (
	"strings"
	"testing"
	"time"

	"github.com/federation-dns/federation/federation/admin"
	"github.com/federation-dns/federation/federation/display"
)

func TestConfirm(t *testing.T) {
	until := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	list := []admin.Waiting{
		{Federation: "myfederation", Namespace: "shop", Service: "web",
			Empties: true, Names: 1, Watched: true, Until: &until},
		{Federation: "other", Namespace: "shop", Service: "api", Names: 7},
		{Federation: "other", Member: "west", Services: 3, Names: 12},
	}
	t.Run("X4c shows what waits, and for what", func(t *testing.T) {
		var out strings.Builder
		if err := printWaiting(&out, list); err != nil {
			t.Fatal(err)
		}
		want := "FEDERATION    OF           WHAT                                                                 " +
			"WAITS FOR\n" +
			"myfederation  shop/web     loses its last address, names deleted: 1                             " +
			"confirm, or 2030-01-02T03:04:05Z\n" +
			"other         shop/api     names deleted: 7                                                     confirm\n" +
			"other         member west  leaves, services that lose their last address: 3, names deleted: 12  confirm\n"
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
	})
	t.Run("X4c only one federation's", func(t *testing.T) {
		if got := only(list, "other"); len(got) != 2 || got[0].Service != "api" {
			t.Errorf("got %v", got)
		}
	})
	for answer, yes := range map[string]bool{"y\n": true, "YES\n": true, "yes": true, "\n": false, "": false,
		"no\n": false, "yep\n": false} {
		t.Run("X4c the answer "+strings.TrimSpace(answer), func(t *testing.T) {
			var out strings.Builder
			if err := display.Ask(strings.NewReader(answer), &out, "Really?"); (err == nil) != yes {
				t.Errorf("%q: %v", answer, err)
			}
		})
	}
}
