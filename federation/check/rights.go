package check

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Rules returns the rules of the ClusterRoles of a manifest. It panics if that cannot be read: it is one of ours.
func Rules(manifest string) (rules []rbacv1.PolicyRule) {
	for _, role := range roles(manifest) {
		if role.Kind == "ClusterRole" {
			rules = append(rules, role.Rules...)
		}
	}
	return rules
}

// RoleRules returns the rules of the Role of that name of a manifest. It panics as Rules does, and if there is none.
func RoleRules(manifest, name string) []rbacv1.PolicyRule {
	for _, role := range roles(manifest) {
		if role.Kind == "Role" && role.Name == name {
			return role.Rules
		}
	}
	panic("no Role " + name + " in a manifest")
}

// roles returns the objects of a manifest, of which those that are no roles have no rules.
func roles(manifest string) (list []rbacv1.ClusterRole) {
	d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(manifest)), 4096)
	for {
		var role rbacv1.ClusterRole
		err := d.Decode(&role)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			panic(err)
		}
		list = append(list, role)
	}
}

// Covers reports whether the rules grant all that rule does.
func Covers(rules []rbacv1.PolicyRule, rule rbacv1.PolicyRule) bool {
	for _, verb := range rule.Verbs {
		for _, url := range rule.NonResourceURLs {
			if !slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
				return has(r.Verbs, verb) && slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
					prefix, all := strings.CutSuffix(u, "*")
					return u == url || all && strings.HasPrefix(url, prefix)
				})
			}) {
				return false
			}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				if !coversResource(rules, verb, group, resource, rule.ResourceNames) {
					return false
				}
			}
		}
	}
	return true
}

func coversResource(rules []rbacv1.PolicyRule, verb, group, resource string, names []string) bool {
	granted := func(name string) bool {
		return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
			return has(r.Verbs, verb) && has(r.APIGroups, group) && has(r.Resources, resource) &&
				(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, name))
		})
	}
	if len(names) == 0 {
		return granted("")
	}
	return !slices.ContainsFunc(names, func(name string) bool { return !granted(name) })
}

func has(list []string, value string) bool {
	return slices.Contains(list, value) || slices.Contains(list, rbacv1.VerbAll)
}
