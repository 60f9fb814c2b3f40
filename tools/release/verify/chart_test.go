package verify

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

const checkout = "../../.."

// TestCharts shows that helm reads the packed charts, and that they are those of the checkout, which test/charts
// installs, with the images of the release.
func TestCharts(t *testing.T) {
	charts, err := filepath.Glob(checkout + "/charts/*/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if *helm == "" && needAll() {
		t.Fatal("name helm with -helm")
	}
	for _, c := range charts {
		name := filepath.Base(filepath.Dir(c))
		t.Run("D3 "+name, func(t *testing.T) {
			packed, err := filepath.Glob(filepath.Join(*dist, name+"-[0-9]*.tgz"))
			if err != nil || len(packed) != 1 {
				t.Fatalf("%q (%v), want one", packed, err)
			}
			names, files := unpack(t, filepath.Base(packed[0]))
			checkChart(t, name, files)
			if *helm == "" {
				t.Skip("no -helm: it reads the charts in make test-release")
			}
			command := exec.Command(*helm, "show", "chart", packed[0])
			command.Env = append(os.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir())
			out, err := command.CombinedOutput()
			// helm quotes a version that is all digits, as short commits can be.
			app := regexp.MustCompile(`(?m)^appVersion: "?` + regexp.QuoteMeta(version(t)) + `"?$`)
			if err != nil || !app.Match(out) {
				t.Errorf("helm show chart: %v\n%s", err, out)
			}
			// helm packs the files of the checkout once more: the same ones are in it.
			dir := t.TempDir()
			command.Args = []string{*helm, "package", filepath.Dir(c), "--destination", dir}
			command = &exec.Cmd{Path: command.Path, Args: command.Args, Env: command.Env}
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("helm package: %v\n%s", err, out)
			}
			helms, err := filepath.Glob(dir + "/*.tgz")
			if err != nil || len(helms) != 1 {
				t.Fatalf("helm package: %q (%v)", helms, err)
			}
			want, _ := unpackFrom(t, helms[0])
			slices.Sort(want)
			slices.Sort(names)
			if !slices.Equal(names, want) {
				t.Errorf("files %q, helm packs %q", names, want)
			}
		})
	}
}

func checkChart(t *testing.T, name string, files map[string]file) {
	for path, f := range files {
		if path == name+"/Chart.yaml" {
			continue // has the version
		}
		if want, err := os.ReadFile(filepath.Join(checkout, "charts", path)); err != nil {
			t.Error(err)
		} else if !bytes.Equal(f.data, want) {
			t.Errorf("%s is not that of the checkout", path)
		}
	}
	repository := regexp.MustCompile(`(?m)^image:\n  repository: (\S+)$`).FindSubmatch(files[name+"/values.yaml"].data)
	if repository == nil {
		t.Fatal("values.yaml has no image.repository")
	}
	if !slices.ContainsFunc(programs, func(p string) bool { return imagePrefix+p == string(repository[1]) }) {
		t.Errorf("image %s is none of the release", repository[1])
	}
}
