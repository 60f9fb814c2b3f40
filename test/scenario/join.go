package scenario

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/federation-dns/federation/test/kube"
	"github.com/federation-dns/federation/test/world"
)

// Host is the cluster that has the MemberClusters when the clusters are joined. It is a member too.
const Host = east

// DemoSteps is the walk-through with a provider in which the clusters are joined, and one is drained. The World has the
// Host. With world.None it is that without a DNS zone.
//
// page is where the user finds the syncer's page, "" if nowhere.
func DemoSteps(provider, page string) []Step {
	steps := demoSteps(provider, page)
	if provider == world.None {
		return zoneless(steps)
	}
	return steps
}

func demoSteps(provider, page string) []Step {
	begin := begin(provider)
	begin.Does = append(begin.Does, "the host of the syncer, with its MemberClusters: "+Host)
	steps := []Step{begin, JoinClusters(), ListMemberClusters(), CreateFederatedService()}
	steps = append(steps, StartBackends()...)
	steps = append(steps, DescribeService(), ResolveEverywhere())
	steps = append(steps, Failures()...)
	return append(steps, DrainEurope(provider), UncordonEurope(provider), LookAtPage(page))
}

// JoinClusters joins all clusters.
func JoinClusters() Step {
	var printed string
	return Step{
		Name: "Join the clusters: " + Host + " is the host of the syncer, and becomes a member too",
		Does: []string{
			"kubectl federation join NAME --member-context NAME --context " + Host + " --propagation --server URL,",
			"for each; the URL is that of the link that is cut later"},
		Do: func(ctx context.Context, p *Play) error {
			printed = ""
			for _, m := range p.Members() {
				out, err := m.Join(ctx)
				if err != nil {
					return err
				}
				printed += out
			}
			return nil
		},
		Expect: []Check{{
			Expect: "each is checked, gets an account for the syncer, and is ready",
			Want:   "joined " + asia + "\njoined " + europe + "\njoined " + central + "\njoined " + east,
			See:    func(context.Context, *Play) (string, error) { return printed, nil },
			Until: func(seen string) bool {
				joined := regexp.MustCompile(`(?m)^joined .*$`).FindAllString(seen, -1)
				return strings.Join(joined, " ") == "joined "+asia+" joined "+europe+" joined "+central+" joined "+east
			},
		}},
	}
}

// ListMemberClusters looks at the members, with kubectl and with the syncer.
func ListMemberClusters() Step {
	list := ListClusters()
	list.Does = []string{"kubectl get memberclusters, in " + Host, "federation-syncer status"}
	var want []string
	for _, p := range world.Places {
		want = append(want, fmt.Sprintf("%s Ready %s %s %s 0/0", p.Name, kube.Version(), p.Region, p.Zone))
	}
	list.Expect = append([]Check{{
		Expect: "kubectl lists four members, all ready, each in its place",
		Want:   strings.Join(want, "\n"),
		See: func(ctx context.Context, p *Play) (string, error) {
			return p.Member(Host).Kubectl(ctx, "", "get", "memberclusters")
		},
		Until: func(seen string) bool {
			lines := normalLines(seen)
			if len(lines) != len(want)+1 || lines[0] != "NAME STATUS VERSION REGION ZONES SHARDS AGE" {
				return false
			}
			for i, line := range lines[1:] {
				if !strings.HasPrefix(line, want[i]+" ") { // the age follows
					return false
				}
			}
			return true
		},
	}}, list.Expect...)
	return list
}

// CreateFederatedService creates the Service once, with no backends yet, and looks for it in each cluster.
func CreateFederatedService() Step {
	var printed string
	step := CreateServices()
	step.Name = "Create the Service " + world.Service + " once, without backends: each cluster gets a matching one"
	step.Does = []string{"kubectl federation create -f " + world.ServiceFile + " -n " + world.Namespace,
		"kubectl get service " + world.Service + ", in each cluster"}
	step.Do = func(ctx context.Context, p *Play) (err error) {
		printed, err = p.CreateFederatedService(ctx)
		return err
	}
	created := Check{
		Expect: "the host has the FederatedService",
		Want:   "federatedservice.federation-dns.io/" + world.Service + " created",
		See:    func(context.Context, *Play) (string, error) { return printed, nil },
	}
	listed := Check{
		Expect: "kubectl lists it: in all clusters, and healthy in none",
		See: func(ctx context.Context, p *Play) (string, error) {
			return p.Member(Host).Kubectl(ctx, "", "get", "federatedservices", "-n", world.Namespace)
		},
		Until: func(seen string) bool {
			lines := normalLines(seen)
			return len(lines) == 2 && strings.HasPrefix(lines[1], world.Service+" "+world.FederationName+
				" InAllClusters NoHealthyShard 0/4 ") // the age follows
		},
	}
	step.Expect = slices.Concat([]Check{created}, step.Expect, []Check{listed})
	return step
}

// DescribeService shows the Service as one: what its load balancers have together, and each member's shard.
func DescribeService() Step {
	var addresses []string
	for _, family := range []int{0, 1} {
		for _, p := range world.Places {
			addresses = append(addresses, p.Published[family].String())
		}
	}
	return Step{
		Name: "Show the Service as one, and its records",
		Does: []string{"kubectl federation services " + world.Service + " -n " + world.Namespace,
			"dig axfr " + world.Domain},
		Expect: []Check{
			{
				Expect: "each member's shard is healthy, and all addresses are there",
				See: func(ctx context.Context, p *Play) (string, error) {
					return p.Federation(ctx, "services", world.Service, "-n", world.Namespace)
				},
				Until: func(seen string) bool {
					text := strings.Join(strings.Fields(seen), " ")
					const healthy = " published, 4 of 4 shards healthy LoadBalancer Ingress: "
					return strings.HasPrefix(text, world.Name+healthy+strings.Join(addresses, ", ")+" MEMBER") &&
						strings.Count(text, " healthy 2 ") == 4
				},
			},
			records("the zone has a name for each level", "all"),
		},
	}
}

// DrainEurope drains a member.
func DrainEurope(provider string) Step {
	step := federation("Drain "+europe, "without-europe", "others take its part over", agreeing(provider),
		"drain", europe, "--yes")
	step.Expect[1] = step.Expect[1].whileHealthy(asia, europe, central, east)
	return step
}

// UncordonEurope ends that.
func UncordonEurope(provider string) Step {
	return federation("Uncordon "+europe, "all", "every level has its addresses again", agreeing(provider),
		"uncordon", europe, "--yes")
}

// agreeing are the flags that name who has to agree.
func agreeing(provider string) []string {
	if provider == world.None {
		return nil
	}
	return []string{"--query", world.Authority}
}

// federation is a step that runs a verb of kubectl federation, and shows what it prints.
func federation(name, table, expect string, flags []string, args ...string) Step {
	args = append(args, flags...)
	says := "it says what moves, and ends when DNS agrees"
	if len(flags) == 0 {
		says = "it says what moves, and ends when the mirrors are told"
	}
	var printed string
	return Step{
		Name: name, Table: table, Limit: 2 * stepTime, // a name that has changed often waits (X5c)
		Does: []string{"kubectl federation " + strings.Join(args, " ")},
		Do: func(ctx context.Context, p *Play) (err error) {
			printed, err = p.Federation(ctx, args...)
			return err
		},
		Expect: []Check{
			{
				Expect: says,
				See:    func(context.Context, *Play) (string, error) { return printed, nil },
				Until:  func(seen string) bool { return seen != "" },
			},
			records(expect, table),
		},
	}
}
