package docs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/federation-dns/federation/federation/mirror"
)

const securityPage = "docs/security.md"

// proof is what docs/security.md has in parentheses after a claim: clauses of the rules, and the tests that show it.
var proof = regexp.MustCompile(`\(((?:[A-Z]+[0-9]+[a-z]?(?:, )?)+); ([^()]+)\)`)

// Whoever doubts a claim of the threat model finds the clause in the tests that it names.
func TestSecurityClaims(t *testing.T) {
	for i, section := range strings.Split(read(t, securityPage), "\nThey cannot:\n")[1:] {
		list, _, _ := strings.Cut(section, "\n#")
		for _, claim := range strings.Split("\n"+list, "\n- ")[1:] {
			if claim = strings.Join(strings.Fields(claim), " "); !proof.MatchString(claim) {
				t.Errorf("list %d: %q names no clause and test, as (H3a; federation/member TestCheckAddress)", i+1,
					claim)
			}
		}
	}
	checkProofs(t, securityPage, 30)
}

// checkProofs checks the proofs of a page: it has a number of them at least.
func checkProofs(t *testing.T, page string, least int) {
	t.Helper()
	all := proof.FindAllStringSubmatch(strings.Join(strings.Fields(read(t, page)), " "), -1)
	if len(all) < least {
		t.Errorf("only %d claims of %s have a proof", len(all), page)
	}
	for _, m := range all {
		var text string
		for _, reference := range strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' || r == ';' }) {
			found, err := testText(strings.TrimSpace(reference))
			if err != nil {
				t.Errorf("%s: %v", m[0], err)
			}
			text += found
		}
		for _, id := range strings.Split(m[1], ", ") {
			if !regexp.MustCompile(`\b` + id + `[a-z]?\b`).MatchString(text) {
				t.Errorf("%s: none of these tests cites %s", m[0], id)
			}
		}
	}
}

// testText returns the text of the file of a test, with that of the package's text cases and of what its test files
// share. The reference is a package and a test, or the name of a subtest in quotes.
func testText(reference string) (string, error) {
	pkg, name, _ := strings.Cut(reference, " ")
	tests, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil {
		return "", err
	}
	mark := "\nfunc " + name + "("
	if strings.HasPrefix(name, `"`) {
		mark = strings.TrimSuffix(name, `"`)
	}
	var text string
	for _, file := range tests {
		if t, err := os.ReadFile(file); err != nil {
			return "", err
		} else if strings.Contains(string(t), mark) {
			text = string(t)
		}
	}
	if text == "" {
		return "", fmt.Errorf("%s has no test %s", pkg, name)
	}
	cases, err := filepath.Glob(filepath.Join(root, pkg, "testdata", "*"))
	for _, c := range cases {
		text += " " + filepath.Base(c)
	}
	return text, err
}

// The table of permissions is what the manifests grant: no more, and no less.
func TestPermissionsTable(t *testing.T) {
	granted := map[string]bool{}
	for _, file := range []string{"member-rbac.yaml", "member-propagation-rbac.yaml", "member-mirror-rbac.yaml",
		"host-rbac.yaml", "host-records-rbac.yaml", "users-rbac.yaml", "coredns-rbac.yaml", "member-check-rbac.yaml"} {
		for _, document := range documents(t, read(t, "deploy/"+file)) {
			object, _, err := strict.Decode([]byte(document), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			var rules []rbacv1.PolicyRule
			switch role := object.(type) {
			case *rbacv1.ClusterRole:
				rules = role.Rules
			case *rbacv1.Role:
				rules = role.Rules
				if file == "member-mirror-rbac.yaml" && role.Namespace != mirror.Namespace {
					t.Errorf("%s grants rights in the namespace %q", file, role.Namespace)
				}
			}
			for _, rule := range rules {
				granted[file+": "+inWords(rule)] = true
				checkHarmless(t, file, rule)
			}
		}
	}
	written := map[string]bool{}
	row := regexp.MustCompile(`(?m)^\| (?:syncer|CoreDNS|viewer|editor|administrator|who checks) \| ` +
		`([a-z-]+\.yaml) \| [^|]+ \| (.*) \|$`)
	for _, m := range row.FindAllStringSubmatch(read(t, securityPage), -1) {
		written[m[1]+": "+m[2]] = true
	}
	for right := range granted {
		if !written[right] {
			t.Errorf("%s does not have the row %q", securityPage, right)
		}
	}
	for right := range written {
		if !granted[right] {
			t.Errorf("%s has %q, which deploy/ does not grant", securityPage, right)
		}
	}
}

// inWords is a rule as the table has it.
func inWords(rule rbacv1.PolicyRule) string {
	var what []string
	for _, resource := range rule.Resources {
		what = append(what, "`"+resource+"`")
	}
	for _, url := range rule.NonResourceURLs {
		what = append(what, "`"+url+"`")
	}
	text := strings.Join(what, ", ")
	if len(rule.ResourceNames) > 0 {
		text += " named " + strings.Join(rule.ResourceNames, ", ")
	}
	return text + ": " + strings.Join(rule.Verbs, ", ")
}

// checkHarmless holds what the page says of all accounts: no wildcard, no Secrets of a member, nothing written there.
func checkHarmless(t *testing.T, file string, rule rbacv1.PolicyRule) {
	t.Helper()
	everything := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs)
	if slices.Contains(everything, "*") {
		t.Errorf("%s has a wildcard: %+v", file, rule)
	}
	if file == "host-rbac.yaml" || file == "host-records-rbac.yaml" || file == "users-rbac.yaml" {
		return
	}
	var errs error
	for _, verb := range rule.Verbs {
		if file == "member-propagation-rbac.yaml" && slices.Equal(rule.Resources, []string{"services"}) {
			continue // what an admin enables
		}
		if file == "member-mirror-rbac.yaml" && slices.Equal(rule.Resources, []string{"configmaps"}) {
			continue // in a namespace that holds nothing else
		}
		review := slices.Equal(rule.Resources, []string{"subjectaccessreviews"}) // a question, which creates nothing
		if !slices.Contains([]string{"get", "list", "watch"}, verb) && !review {
			errs = errors.Join(errs, fmt.Errorf("%s: %s of %q in a member", file, verb, rule.Resources))
		}
	}
	if slices.Contains(rule.Resources, "secrets") {
		errs = errors.Join(errs, fmt.Errorf("%s: secrets of a member", file))
	}
	if errs != nil {
		t.Error(errs)
	}
}
