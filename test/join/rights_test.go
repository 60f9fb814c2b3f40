package join

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

// joiner gives the context joiner to an account of the host that has the rights of docs/joining.md, but for those to a
// resource.
func (s *system) joiner(without string) {
	s.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs/joining.md"))
	if err != nil {
		s.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n~~~ yaml\n")
	text, _, _ = strings.Cut(text, "~~~\n")
	account := "joiner" + without
	s.kubectl(s.host, "", "create", "serviceaccount", account, "-n", "default")
	left := 0
	for part := range strings.SplitSeq(text, "\n---\n") {
		var role rbacv1.ClusterRole // or a Role: the same fields
		if err := yaml.Unmarshal([]byte(part), &role); err != nil {
			s.Fatal(err)
		}
		role.Name = account
		role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return r.Resources[0] == without })
		left += len(role.Rules)
		out, err := yaml.Marshal(role)
		if err != nil {
			s.Fatal(err)
		}
		s.kubectl(s.host, string(out), "apply", "-f", "-")
		kind := strings.ToLower(role.Kind)
		s.kubectl(s.host, "", "create", kind+"binding", account, "-n", namespace, "--"+kind+"="+account,
			"--serviceaccount=default:"+account)
	}
	if want := 4; without == "" && left != want || without != "" && left != want-1 {
		s.Fatalf("docs/joining.md has %d rules without %q", left, without)
	}
	secret := strings.TrimSpace(s.kubectl(s.host, "", "create", "token", account, "-n", "default", "--duration=1h"))
	s.contexts("host", map[string]func(*clientcmdapi.Cluster, *clientcmdapi.AuthInfo){
		"joiner": func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) { token(u, secret) },
	})
}

// rights joins with the rights that docs/joining.md lists, and then with one less.
func (s *system) rights(seen texts) {
	const args = joinMember + "--context joiner --dry-run"
	s.Run("B1 those of the page are enough", func(t *testing.T) {
		s := s.in(t)
		s.joiner("")
		poll(s, "the rights", func() error {
			_, _, err := s.run(strings.Fields(args)...)
			return err
		})
	})
	for resource, what := range map[string]string{
		"memberclusters": "memberclusters",
		"namespaces":     "the UID of the namespace kube-system, which identifies the cluster",
		"secrets":        "secret/member-a",
		"leases":         "lease/federation-syncer",
	} {
		s.Run("B2 without "+resource+" it says so", func(t *testing.T) {
			s := s.in(t)
			s.joiner(resource)
			r := refusal{"you have no right to " + resource + " in the host", args, 1,
				"the host SERVER (context joiner) refuses: " + what +
					": ... The rights to join clusters are in docs/joining.md"}
			poll(s, "the rights", func() error { return s.refuses(r) }) // the others take a moment
			s.refused(seen, r)
		})
	}
}
