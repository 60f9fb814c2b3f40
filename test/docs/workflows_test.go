package docs

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is a file of .github/workflows, as far as it is looked at.
type workflow struct {
	On   map[string]any
	Jobs map[string]struct {
		Strategy struct {
			Matrix struct{ Part []string }
		}
		Steps []struct{ Run string }
	}
}

func readWorkflow(t *testing.T, name string) workflow {
	t.Helper()
	var w workflow
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(".github/workflows", name))), &w); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return w
}

// A step that calls a target by hand is one that nobody can run at home.
func TestWorkflowsRunTheMakefile(t *testing.T) {
	targets := set(read(t, "Makefile"), `(?m)^([a-z][a-z0-9-]*):`)
	command := regexp.MustCompile(`(?m)(?:^|[ ;&])make ([a-z][a-z0-9-]*)`)
	for _, name := range []string{"ci.yml", "nightly.yml", "release.yml"} {
		calls := 0
		for job, j := range readWorkflow(t, name).Jobs {
			for _, s := range j.Steps {
				if strings.Contains(s.Run, "make ${{ matrix.part }}") || strings.Contains(s.Run, ".ci/run") {
					calls++
				}
				for _, m := range command.FindAllStringSubmatch(s.Run, -1) {
					calls++
					if !targets[m[1]] {
						t.Errorf("%s, job %s: there is no target %q", name, job, m[1])
					}
				}
			}
		}
		if calls == 0 {
			t.Errorf("%s calls neither the Makefile nor .ci/run", name)
		}
	}
	for _, m := range command.FindAllStringSubmatch(read(t, ".ci/run"), -1) {
		if !targets[m[1]] {
			t.Errorf(".ci/run: there is no target %q", m[1])
		}
	}
}

// The parts of `make nightly` run as one job each: a part that is only in one of the two is never run at night, or not
// by hand.
func TestNightlyIsTheMakefiles(t *testing.T) {
	line := regexp.MustCompile(`(?m)^nightly: ([a-z][a-z0-9 -]*) ##`).FindStringSubmatch(read(t, "Makefile"))
	if line == nil {
		t.Fatal("the Makefile has no line of nightly with its parts")
	}
	want := strings.Fields(line[1])
	var got []string
	for _, part := range readWorkflow(t, "nightly.yml").Jobs["nightly"].Strategy.Matrix.Part {
		target, _, _ := strings.Cut(part, " ")
		if !slices.Contains(got, target) {
			got = append(got, target)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("parts of nightly.yml %q, of make nightly %q", got, want)
	}
}

// A tag publishes the files that make vulncheck and make test-release found good, and nothing else publishes.
func TestOnlyATagPublishes(t *testing.T) {
	publishes := regexp.MustCompile(`gh release create|make publish`)
	w := readWorkflow(t, "release.yml")
	checked := map[string]bool{}
	for _, s := range w.Jobs["release"].Steps {
		for _, target := range []string{"vulncheck", "test-release"} {
			checked[target] = checked[target] || strings.Contains(s.Run, "make "+target)
			if publishes.MatchString(s.Run) && !checked[target] {
				t.Errorf("release.yml publishes before make %s", target)
			}
		}
	}
	on := w.On
	push, _ := on["push"].(map[string]any)
	if len(on) != 1 || len(push) != 1 || push["tags"] == nil {
		t.Errorf("release.yml runs on %v, want the push of a tag alone", on)
	}
}
