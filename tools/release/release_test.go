package main

import (
	"archive/tar"
	"bytes"
	"debug/buildinfo"
	"errors"
	"io"
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

var hello = program{name: "hello", title: "says hello", pkg: "./cmd/hello", image: true, port53: true}

// checkout writes a small module with a program and a dependency.
func checkout(t *testing.T, dependencyLicense string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"go.mod": "module example.com/hello\n\ngo 1.26\n\nrequire example.com/dep v1.2.3\n\nreplace " +
			"example.com/dep => ./dep\n",
		"cmd/hello/main.go": "package main\n\nimport \"example.com/dep\"\n\nvar version string\n\nfunc main() { " +
			"println(dep.Greeting, version) }\n",
		"LICENSE":    "the licence of hello",
		"dep/go.mod": "module example.com/dep\n\ngo 1.26\n",
		"dep/dep.go": "package dep\n\nconst Greeting = \"hello\"\n",
	}
	if dependencyLicense != "" {
		files["dep/LICENSE"] = dependencyLicense
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func release(t *testing.T, root string) string {
	t.Helper()
	o := options{
		root: root, out: filepath.Join(t.TempDir(), "dist"), version: "v1.2.3",
		repository: "registry.example.com/hello",
		platforms:  []platform{{"linux", "amd64"}, {"linux", "arm64"}}, programs: []program{hello}, binaries: true,
	}
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
	const license = "the licence of dep"
	dist := release(t, checkout(t, license))

	t.Run("I1 two builds from two folders are equal", func(t *testing.T) {
		again := release(t, checkout(t, license))
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
	t.Run("I2 licences of all modules", func(t *testing.T) {
		text := string(read(t, dist, "LICENSES.txt"))
		if !strings.Contains(text, license) || !strings.Contains(text, "example.com/dep") {
			t.Errorf("LICENSES.txt: %s", text)
		}
	})
	t.Run("I2 a module without a licence is not published", func(t *testing.T) {
		o := options{root: checkout(t, ""), out: filepath.Join(t.TempDir(), "dist"), version: "v1",
			platforms: []platform{{"linux", "amd64"}}, programs: []program{hello}}
		_, err := assemble(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "example.com/dep") {
			t.Errorf("error %v, want one that names the module", err)
		}
		if _, err := os.Stat(o.out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the folder was made all the same: %v", err)
		}
	})
	t.Run("I2 the SBOM lists the modules", func(t *testing.T) {
		var bom cdx.BOM
		f := bytes.NewReader(read(t, dist, "hello_v1.2.3_linux_amd64.cdx.json"))
		if err := cdx.NewBOMDecoder(f, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatal(err)
		}
		if bom.Metadata.Component.Version != "v1.2.3" || !slices.ContainsFunc(*bom.Components,
			func(c cdx.Component) bool { return c.Name == "std" }) {
			t.Errorf("component %+v with %+v", bom.Metadata.Component, bom.Components)
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
			check(t, img, d.Platform)
		})
	}
}

// check looks at what is in an image.
func check(t *testing.T, img v1.Image, at *v1.Platform) {
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
	for _, l := range layers {
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
	for _, s := range info.Settings {
		if s.Key == "GOARCH" && s.Value != at.Architecture {
			t.Errorf("I1 the program is for %s", s.Value)
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
		name := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(name, 0o755)
		} else {
			var data []byte
			if data, err = io.ReadAll(tr); err == nil {
				err = os.WriteFile(name, data, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
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
		{[]string{"-version", "v1", "images"}, `unexpected argument "images"`},
	}
	for _, tt := range tests {
		_, err := parse(tt.args)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want %q", tt.args, err, tt.want)
		}
	}
}

// The kernel's own reading of the attribute is the reference: struct vfs_cap_data has 20 octets in revision 2.
func TestCapability(t *testing.T) {
	if len(capNetBindService) != 20 {
		t.Errorf("%d octets, want 20", len(capNetBindService))
	}
}
