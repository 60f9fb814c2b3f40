package docs

import (
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxUnmarked is how many blocks look like commands and are not marked: those of pages that were written before the
// marks. It only ever shrinks.
const maxUnmarked = 2

// notRun is how many blocks of commands are not run, by reason, at most. A block that joins them is a decision: mark
// it, and count it here.
var notRun = map[string]int{"cloud": 2, "docker": 2, "elsewhere": 23, "kubeadm": 4, "pods": 10}

// TestCommands holds that each block of commands is run by a test, or says why not. Those of the charts' pages are the
// tests' of the charts.
func TestCommands(t *testing.T) {
	command := regexp.MustCompile(`(?m)^ *(make|go|kubectl|helm|dig|docker|kind|k3s|kubeadm|aws|gcloud|az|oc|curl|` +
		`export|federation-syncer|coredns) [^ ]`)
	makefile := set(read(t, "Makefile"), `(?m)^([a-z][a-z-]*)(?: [a-z-]+)*:`)
	run, counted := 0, map[string]int{}
	var unmarked []string
	for page, text := range pages(t) {
		if strings.HasPrefix(page, "charts/") {
			continue
		}
		for _, b := range Blocks(page, text) {
			where := fmt.Sprintf("%s:%d", page, b.Line-1)
			yes, reason := b.Commands()
			if !yes {
				if b.Info == "" && command.MatchString(b.Text) {
					unmarked = append(unmarked, where)
				}
				continue
			}
			for _, m := range regexp.MustCompile(`(?m)^make ([a-z-]+)`).FindAllStringSubmatch(b.Text, -1) {
				if !makefile[m[1]] {
					t.Errorf("%s: the Makefile has no target %s", where, m[1])
				}
			}
			switch {
			case reason != "" && NotRun[reason] == "":
				t.Errorf("%s: %q is no reason not to run it; there are %q", where, reason,
					slices.Sorted(maps.Keys(NotRun)))
			case reason != "":
				counted[reason]++
			case !slices.Contains(RunPages, page):
				t.Errorf("%s: add the page to RunPages, or mark the block `~~~ sh not-run: REASON`", where)
			default:
				run++
			}
			if out, err := exec.Command("sh", "-n", "-c", b.Text).CombinedOutput(); err != nil {
				t.Errorf("%s: sh cannot read it: %s", where, out)
			}
		}
	}
	t.Logf("%d blocks of commands are run, %d are not: %v", run, sum(counted), counted)
	t.Logf("%d look like commands and are not marked `~~~ sh`: %q", len(unmarked), unmarked)
	if len(unmarked) > maxUnmarked {
		t.Errorf("%d blocks look like commands and are not marked `~~~ sh`: %q", len(unmarked), unmarked)
	}
	if run == 0 {
		t.Error("no block is run")
	}
	for reason, n := range counted {
		if n > notRun[reason] {
			t.Errorf("%d blocks are not run (%s: %s), want %d at most", n, reason, NotRun[reason], notRun[reason])
		}
	}
}

func sum(of map[string]int) (n int) {
	for _, v := range of {
		n += v
	}
	return n
}
