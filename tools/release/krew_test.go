package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// krewPlugin is the form of krew's manifests, krew.googlecontainertools.github.com/v1alpha2.
type krewPlugin struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name string }
	Spec       struct {
		Version, Homepage, Description string
		ShortDescription               string `yaml:"shortDescription"`
		Platforms                      []krewPlatform
	}
}

type krewPlatform struct {
	Selector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	URI, SHA256, Bin string
	Files            []struct{ From, To string }
}

func TestKrew(t *testing.T) {
	root := checkout(t, mit)
	plugin := hello
	plugin.name, plugin.image, plugin.port53, plugin.clients = "kubectl-federation", false, false, true
	o := optionsOf(t, root)
	o.programs = []program{plugin}
	if _, err := assemble(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	var got krewPlugin
	d := yaml.NewDecoder(bytes.NewReader(read(t, o.out, "federation.yaml")))
	d.KnownFields(true)
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	t.Run("V1 the manifest keeps krew's rules", func(t *testing.T) {
		if got.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || got.Kind != "Plugin" {
			t.Errorf("%s %s", got.APIVersion, got.Kind)
		}
		if got.Metadata.Name != "federation" || got.Spec.Version != "v1.2.3" {
			t.Errorf("plugin %q, version %q", got.Metadata.Name, got.Spec.Version)
		}
		short := got.Spec.ShortDescription
		if short == "" || len(short) > 50 || strings.ContainsAny(short, "\r\n") || strings.HasSuffix(short, ".") ||
			got.Spec.Description == "" || !strings.HasPrefix(got.Spec.Homepage, "https://") {
			t.Errorf("spec %+v", got.Spec)
		}
	})
	t.Run("V1 a platform has its archive, program and files", func(t *testing.T) {
		var platforms []string
		for _, p := range got.Spec.Platforms {
			at := platform{p.Selector.MatchLabels["os"], p.Selector.MatchLabels["arch"]}
			platforms = append(platforms, at.String())
			checkPlatform(t, o.out, at, p)
		}
		slices.Sort(platforms)
		want := []string{"darwin/amd64", "darwin/arm64", "linux/amd64", "linux/arm64", "windows/amd64", "windows/arm64"}
		if !slices.Equal(platforms, want) {
			t.Errorf("platforms %q, want %q", platforms, want)
		}
	})
	t.Run("I1 two builds are equal", func(t *testing.T) {
		again := optionsOf(t, root)
		again.programs = o.programs
		if _, err := assemble(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if a, b := read(t, o.out, "SHA256SUMS"), read(t, again.out, "SHA256SUMS"); !bytes.Equal(a, b) {
			t.Errorf("first:\n%s\nthen:\n%s", a, b)
		}
	})
}

// checkPlatform looks at what krew would download, unpack and link.
func checkPlatform(t *testing.T, dist string, at platform, p krewPlatform) {
	name := path.Base(p.URI)
	if want := "https://github.com/federation-dns/federation/releases/download/v1.2.3/" + name; p.URI != want {
		t.Errorf("%s: uri %q, want %q", at, p.URI, want)
	}
	data := read(t, dist, name)
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); p.SHA256 != sum {
		t.Errorf("%s: sha256 %s, of %s %s", at, p.SHA256, name, sum)
	}
	var files map[string][]byte
	if at.os == "windows" {
		files = unzip(t, data)
	} else {
		files = unpack(t, filepath.Join(dist, name))
	}
	for _, f := range p.Files {
		if files[f.From] == nil || f.To != "." {
			t.Errorf("%s: %s has no %q", at, name, f.From)
		}
	}
	if len(p.Files) != len(files) || len(files) != 3 {
		t.Errorf("%s: %d files, the archive has %d", at, len(p.Files), len(files))
	}
	info, err := buildinfo.Read(bytes.NewReader(files[p.Bin]))
	if err != nil {
		t.Errorf("%s: %s: %v", at, p.Bin, err)
		return
	}
	if info.Main.Version != "v1.2.3" {
		t.Errorf("%s: the program is of version %q", at, info.Main.Version)
	}
	want := map[string]string{"GOOS": at.os, "GOARCH": at.arch, "CGO_ENABLED": "0"}
	for _, s := range info.Settings {
		if w, ok := want[s.Key]; ok && w != s.Value {
			t.Errorf("%s: the program has %s=%s", at, s.Key, s.Value)
		}
	}
}

func unzip(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestBeside(t *testing.T) {
	t.Run("I1 the plugin is in the layer of the syncer", func(t *testing.T) {
		beside := hello
		beside.name, beside.image, beside.port53 = "kubectl-federation", false, false
		syncer := hello
		syncer.beside = beside.name
		o := optionsOf(t, checkout(t, mit), "-platforms", "linux/amd64", "-images-only")
		o.programs = []program{syncer, beside}
		if _, err := assemble(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		outer := open(t, filepath.Join(o.out, "hello_v1.2.3_image.tar"))
		manifest, err := outer.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		index, err := outer.ImageIndex(manifest.Manifests[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		if manifest, err = index.IndexManifest(); err != nil {
			t.Fatal(err)
		}
		img, err := index.Image(manifest.Manifests[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		check(t, img, manifest.Manifests[0].Platform, "hello", "kubectl-federation")
	})
}
