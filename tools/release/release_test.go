package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

var hello = program{name: "hello", title: "says hello", pkg: "./cmd/hello", image: true, port53: true,
	stamps: map[string]string{"main.version": ""}}

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction, including without
limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software,
and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

// checkout writes a small module with a program, a dependency, a chart and manifests, and commits it.
func checkout(t *testing.T, dependencyLicense string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		".gitignore": "/bin/\n*.bak\n",
		"go.mod": "module example.com/hello\n\ngo 1.26\n\nrequire example.com/dep v1.2.3\n\nreplace " +
			"example.com/dep => ./dep\n",
		"cmd/hello/main.go": "package main\n\nimport \"example.com/dep\"\n\nvar version string\n\nfunc main() { " +
			"println(dep.Greeting, version) }\n",
		"LICENSE":                      "the licence of hello",
		"dep/go.mod":                   "module example.com/dep\n\ngo 1.26\n",
		"dep/dep.go":                   "package dep\n\nconst Greeting = \"hello\"\n",
		"deploy/rbac.yaml":             "kind: ClusterRole\n",
		"deploy/deploy.go":             "package deploy\n",
		"deploy/crds/a.yaml":           "---\nkind: CustomResourceDefinition # a\n",
		"deploy/crds/b.yaml":           "kind: CustomResourceDefinition # b\n",
		"charts/hello/Chart.yaml":      "apiVersion: v2\nname: hello\nversion: 0.0.0\nappVersion: 0.0.0\n",
		"charts/hello/.helmignore":     "# not for users\nci/\n*.txt\n",
		"charts/hello/ci/values.yaml":  "a: b\n",
		"charts/hello/templates/N.txt": "ignored",
		"charts/hello/values.yaml":     "{}\n",
	}
	if dependencyLicense != "" {
		files["dep/LICENSE"] = dependencyLicense
	}
	write(t, dir, files)
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}, {"commit", "--quiet", "-m", "hello"}} {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com",
			"-c", "commit.gpgSign=false"}, args...)...)
		const date = "2026-01-02T03:04:05Z"
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	return dir
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// optionsOf are those of a release of hello, with more arguments.
func optionsOf(t *testing.T, root string, args ...string) options {
	t.Helper()
	o, err := parse(t.Context(), append([]string{"-root", root, "-out", filepath.Join(t.TempDir(), "dist"),
		"-version", "v1.2.3", "-repository", "registry.example.com/hello"}, args...))
	if err != nil {
		t.Fatal(err)
	}
	o.programs = []program{hello}
	return o
}

func release(t *testing.T, root string) string {
	t.Helper()
	o := optionsOf(t, root)
	if _, err := assemble(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return o.out
}

func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elem...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRelease(t *testing.T) {
	dist := release(t, checkout(t, mit))

	t.Run("I1 two builds from two folders are equal", func(t *testing.T) {
		other := checkout(t, mit)
		write(t, other, map[string]string{"bin/hello": "built", "charts/hello/values.yaml.bak": "of an editor"})
		again := release(t, other)
		if a, b := read(t, dist, "SHA256SUMS"), read(t, again, "SHA256SUMS"); !bytes.Equal(a, b) {
			t.Errorf("first:\n%s\nthen:\n%s", a, b)
		}
	})
	t.Run("I2 the checksums are those of the files", func(t *testing.T) {
		cmd := exec.Command("sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS")
		cmd.Dir = dist
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("I2 licences of all modules and of Go", func(t *testing.T) {
		text := string(read(t, dist, "LICENSES.txt"))
		for _, want := range []string{mit, "example.com/dep", "Copyright 2009 The Go Authors."} {
			if !strings.Contains(text, want) {
				t.Errorf("LICENSES.txt does not have %q", want)
			}
		}
	})
	for name, license := range map[string]string{"no licence file": "", "no known licence in it": "Ask me first."} {
		t.Run("I2 a module that has "+name+" is not published", func(t *testing.T) {
			o := optionsOf(t, checkout(t, license), "-platforms", "linux/amd64")
			_, err := assemble(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), "example.com/dep") || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one that names the module", err)
			}
			if _, err := os.Stat(o.out); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder was made all the same: %v", err)
			}
		})
	}
	t.Run("I2 the SBOM lists the modules with their licences", func(t *testing.T) {
		var bom cdx.BOM
		f := bytes.NewReader(read(t, dist, "hello_v1.2.3_linux_amd64.cdx.json"))
		if err := cdx.NewBOMDecoder(f, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range *bom.Components {
			got[c.Name] = (*c.Licenses)[0].License.ID
		}
		want := map[string]string{"std": "BSD-3-Clause", "./dep": "MIT"}
		if bom.Metadata.Component.Version != "v1.2.3" || !maps.Equal(got, want) {
			t.Errorf("%s with %v, want %v", bom.Metadata.Component.Version, got, want)
		}
	})
	t.Run("D3 the chart has the version", func(t *testing.T) {
		files := unpack(t, filepath.Join(dist, "hello-1.2.3.tgz"))
		const want = "apiVersion: v2\nname: hello\nversion: \"1.2.3\"\nappVersion: \"v1.2.3\"\n"
		if got := string(files["hello/Chart.yaml"]); got != want {
			t.Errorf("Chart.yaml %q, want %q", got, want)
		}
		names := []string{"hello/.helmignore", "hello/Chart.yaml", "hello/values.yaml"}
		if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, names) {
			t.Errorf("the chart has %q", got)
		}
	})
	t.Run("U5 the CRDs are one file", func(t *testing.T) {
		const want = "---\nkind: CustomResourceDefinition # a\n---\nkind: CustomResourceDefinition # b\n"
		if got := string(read(t, dist, "crds_v1.2.3.yaml")); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if files := unpack(t, filepath.Join(dist, "manifests_v1.2.3.tar.gz")); len(files) != 3 {
			t.Errorf("%d manifests, want 3", len(files))
		}
	})

	index := open(t, filepath.Join(dist, "hello_v1.2.3_image.tar"))
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	name := manifest.Manifests[0].Annotations["io.containerd.image.name"]
	if name != "registry.example.com/hello/hello:v1.2.3" {
		t.Errorf("I1 containerd finds the image under %q", name)
	}
	inner, err := index.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	platforms, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(platforms.Manifests) != 2 {
		t.Fatalf("I1 %d platforms, want 2", len(platforms.Manifests))
	}
	for _, d := range platforms.Manifests {
		t.Run("I1 "+d.Platform.String(), func(t *testing.T) {
			img, err := inner.Image(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			check(t, img, d.Platform, "hello")
		})
	}
}

// check looks at what is in an image, which has these programs.
func check(t *testing.T, img v1.Image, at *v1.Platform, programs ...string) {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != at.Architecture || config.Config.User != "65532:65532" ||
		!slices.Equal(config.Config.Entrypoint, []string{"/hello"}) {
		t.Errorf("config %+v", config.Config)
	}
	if config.Config.Labels["org.opencontainers.image.version"] != "v1.2.3" {
		t.Errorf("labels %v", config.Config.Labels)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("%d layers, want 2: a new version is one new layer (%v)", len(layers), err)
	}
	files := map[string]*tar.Header{}
	var executable []byte
	var names []string
	for _, l := range layers {
		names = nil
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			files[h.Name] = h
			names = append(names, h.Name)
			if h.ModTime.Unix() != 0 {
				t.Errorf("%s is of %v", h.Name, h.ModTime)
			}
			if h.Name == "hello" {
				if executable, err = io.ReadAll(tr); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if !slices.Equal(names, programs) {
		t.Errorf("the upper layer has %q, want %q", names, programs)
	}
	if files["tmp/"] == nil || files["tmp/"].Mode != 0o1777 {
		t.Errorf("/tmp: %+v", files["tmp/"])
	}
	if dir := files["run/federation-syncer/"]; dir == nil || dir.Mode != 0o700 || dir.Uid != nonroot {
		t.Errorf("the folder of the admin socket: %+v", dir)
	}
	if ca := files[certificates]; ca == nil || ca.Size < 100_000 {
		t.Errorf("CA certificates: %+v", ca)
	}
	program := files["hello"]
	if program == nil {
		t.Fatal("there is no program")
	}
	if got := program.PAXRecords["SCHILY.xattr.security.capability"]; got != string(capNetBindService) {
		t.Errorf("file capability %x", got)
	}
	info, err := buildinfo.Read(bytes.NewReader(executable))
	if err != nil {
		t.Fatal(err)
	}
	if info.Main.Version != "v1.2.3" {
		t.Errorf("I2 go version -m names %q", info.Main.Version)
	}
	for _, s := range info.Settings {
		if s.Key == "GOARCH" && s.Value != at.Architecture {
			t.Errorf("I1 the program is for %s", s.Value)
		}
	}
}

// unpack reads the files of a .tar.gz file.
func unpack(t *testing.T, path string) map[string][]byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
	}
}

// open unpacks a tar file of an OCI layout.
func open(t *testing.T, path string) v1.ImageIndex {
	t.Helper()
	dir := t.TempDir()
	for tr := tar.NewReader(bytes.NewReader(read(t, path))); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, map[string]string{h.Name: string(data)})
	}
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func TestParse(t *testing.T) {
	tests := []struct {
		args []string
		want string // in the error
	}{
		{[]string{"-version", "v1"}, ""},
		{[]string{"-version", "v1", "-programs", "coredns"}, ""},
		{[]string{"-version", "v1", "-programs", "corends"}, `no program "corends": coredns, federation-syncer`},
		{[]string{"-version", "v1", "-platforms", "amd64"}, `"amd64" is not of the form OS/ARCH`},
		{[]string{"-version", "v1 -X a=b"}, `"v1 -X a=b" cannot be the tag of an image`},
		{[]string{"-version", "v1", "images"}, `unexpected argument "images"`},
	}
	for _, tt := range tests {
		_, err := parse(t.Context(), tt.args)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want %q", tt.args, err, tt.want)
		}
	}
}

func TestImagesOnly(t *testing.T) {
	o, err := parse(t.Context(), []string{"-version", "v1", "-images-only"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range o.programs {
		names = append(names, p.name)
		if got := o.platformsOf(p); !slices.Equal(got, clusterPlatforms) {
			t.Errorf("%s is built for %v", p.name, got)
		}
	}
	if want := []string{"coredns", "federation-syncer", "kubectl-federation"}; !slices.Equal(names, want) {
		t.Errorf("programs %q, want %q: those with an image, and what they have beside them", names, want)
	}
	if o, err = parse(t.Context(), []string{"-version", "v1", "-programs", "coredns"}); err != nil {
		t.Fatal(err)
	}
	if len(o.programs) != 1 {
		t.Errorf("%d programs beside coredns, want none", len(o.programs)-1)
	}
}

func TestChartVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2.3-rc.1": "1.2.3-rc.1", "v1.2.3-5-gabcdef0": "1.2.3-5-gabcdef0",
		"0123456": "0.0.0-git-0123456", "abcdef0-dirty": "0.0.0-git-abcdef0-dirty", "my_build": "0.0.0-git-my-build",
	} {
		if got := chartVersion(version); got != want {
			t.Errorf("of %s: %s, want %s", version, got, want)
		}
	}
}

// A machine where GOTOOLCHAIN is local, and one that may not download.
func TestToolchain(t *testing.T) {
	t.Setenv("GOTOOLCHAIN", "local")
	t.Setenv("GOPROXY", "off")
	here, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(string(here))
	t.Run("I1 the one that is here", func(t *testing.T) {
		o := optionsOf(t, t.TempDir(), "-toolchain", version)
		if _, err := goroot(t.Context(), o); err != nil {
			t.Error(err)
		}
	})
	t.Run("I1 one that cannot be had", func(t *testing.T) {
		o := optionsOf(t, t.TempDir(), "-toolchain", "go1.99.1")
		_, err := goroot(t.Context(), o)
		const want = "built by go1.99.1, which is not on this machine and cannot be downloaded (from GOPROXY=off)"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v", err)
		}
	})
}

// What is in no commit must not look like one.
func TestCommit(t *testing.T) {
	dir := checkout(t, mit)
	commit, clean := commitOf(t.Context(), dir)
	if !clean || len(commit) != 40 {
		t.Errorf("%q, clean %v", commit, clean)
	}
	write(t, dir, map[string]string{"new.go": "package hello\n"})
	if got, clean := commitOf(t.Context(), dir); clean || got != commit+"-dirty" {
		t.Errorf("with a new file: %q, clean %v", got, clean)
	}
	if got, clean := commitOf(t.Context(), t.TempDir()); clean || got != "unknown" {
		t.Errorf("outside git: %q, clean %v", got, clean)
	}
}

// The kernel's own reading of the attribute is the reference: struct vfs_cap_data has 20 octets in revision 2.
func TestCapability(t *testing.T) {
	if len(capNetBindService) != 20 {
		t.Errorf("%d octets, want 20", len(capNetBindService))
	}
}
