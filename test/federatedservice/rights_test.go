package federatedservice

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/federation-dns/federation/api/v1alpha1"
	"github.com/federation-dns/federation/test/federatedservice/stage"
)

// TestHostRights takes one right after the other for FederatedServices from the syncer's account in the host.
func TestHostRights(t *testing.T) {
	t.Parallel()
	s := stage.New(t, stage.Options{Root: root, Members: []string{"m1"}})
	s.Namespaces()
	s.Start()
	s.JoinAll()
	m := s.Members[0]
	s.Kubectl(m.Cluster, "", "create", "service", "clusterip", "taken", "-n", "shop", "--tcp=8080:8080")
	says := func(s *stage.Stage, what string) {
		s.Helper()
		s.Eventually(func() error {
			if log := strings.ReplaceAll(s.SyncerLog(), `\"`, `"`); !strings.Contains(log, what) {
				return fmt.Errorf("the log does not say %q", what)
			}
			return nil
		})
	}
	var role struct {
		Rules []struct{ Resources, Verbs []string }
	}
	text := s.Kubectl(s.Host, "", "get", "clusterrole", "federation-syncer-host", "-o", "json")
	if err := json.Unmarshal([]byte(text), &role); err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, rule := range role.Rules {
		resource := rule.Resources[0]
		if !slices.Contains([]string{"federatedservices", "federatedservices/status", "events"}, resource) &&
			resource != "memberclusters" {
			continue // test/membercluster has them
		}
		for j, verb := range rule.Verbs {
			if resource == "memberclusters" && verb != "get" {
				continue
			}
			n++
			t.Run(fmt.Sprintf("B2 without it, cannot %s %s", verb, resource), func(t *testing.T) {
				s := s.In(t)
				name := fmt.Sprintf("n%d", n)
				set := func(verb string) {
					s.Kubectl(s.Host, "", "patch", "clusterrole", "federation-syncer-host", "--type=json", "-p",
						fmt.Sprintf(`[{"op": "replace", "path": "/rules/%d/verbs/%d", "value": %q}]`, i, j, verb))
				}
				s.Stop()
				set("none")
				s.Start()
				switch resource {
				case "memberclusters":
					s.SetMember("m1", fmt.Sprintf(`{"maxServices": %d}`, 1000+n)) // its condition is written
				case "events":
					s.Create(stage.Nginx("taken"))
					if verb == "patch" { // an Event that comes again
						s.ClusterBecomes("taken", "m1", "Missing NotOurs")
						s.Change("taken", `{"ttl": 30}`)
					}
				default:
					s.Create(stage.Nginx(name))
				}
				says(s, fmt.Sprintf(`cannot %s resource "%s"`, verb, resource))
				set(verb)
				if resource == "events" {
					s.Delete("taken")
					s.Gone("taken")
					return
				}
				s.Stop()
				s.Start()
				if resource != "memberclusters" {
					s.Becomes(name, v1alpha1.ConditionPropagated, "True InAllClusters")
				}
			})
		}
	}
	if n != 7 {
		t.Errorf("%d rights were taken", n)
	}
}
