package verify

import (
	"bytes"
	"crypto/x509"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"golang.org/x/mod/semver"
)

// imagePrefix is what stands before the program in the images' names.
const imagePrefix = "ghcr.io/federation-dns/"

const bundle = "etc/ssl/certs/ca-certificates.crt"

// readIndex reads the index of a program's images, one for each architecture.
func readIndex(t *testing.T, program string) v1.ImageIndex {
	t.Helper()
	v := version(t)
	dir := t.TempDir()
	_, files := untar(t, bytes.NewReader(read(t, fmt.Sprintf("%s_%s_image.tar", program, v))))
	for name, f := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := os.WriteFile(path, f.data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	outer, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := outer.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%d indexes, want 1 (%v)", len(manifest.Manifests), err)
	}
	name := manifest.Manifests[0].Annotations["io.containerd.image.name"]
	if want := imagePrefix + program + ":" + v; name != want {
		t.Errorf("I1 containerd imports it as %q, want %q", name, want)
	}
	index, err := outer.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// images are those of an index, by architecture.
func images(t *testing.T, index v1.ImageIndex) map[string]v1.Image {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]v1.Image{}
	for _, d := range manifest.Manifests {
		if all[d.Platform.Architecture], err = index.Image(d.Digest); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// layers are the files of an image, layer by layer.
func layers(t *testing.T, img v1.Image) (names [][]string, files map[string]file) {
	t.Helper()
	all, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]file{}
	for _, l := range all {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		of, inLayer := untar(t, r)
		names = append(names, of)
		for name, f := range inLayer {
			files[name] = f
		}
	}
	return names, files
}

func TestImages(t *testing.T) {
	for _, p := range programs {
		index := readIndex(t, p)
		if err := validate.Index(index); err != nil {
			t.Errorf("I1 the index of %s is not valid: %v", p, err)
		}
		byArchitecture := images(t, index)
		for _, arch := range architectures {
			t.Run(p+" "+arch, func(t *testing.T) {
				img := byArchitecture[arch]
				if img == nil {
					t.Fatal("I1 there is no image")
				}
				checkConfig(t, img, p, arch)
				names, files := layers(t, img)
				checkLayers(t, p, names, files)
				for _, in := range programsIn(p) {
					checkProgram(t, in, arch, files[in].data)
				}
			})
		}
	}
}

// programsIn are those in the image of a program.
func programsIn(image string) []string {
	if image == "federation-syncer" {
		return []string{image, "kubectl-federation"}
	}
	return []string{image}
}

func checkConfig(t *testing.T, img v1.Image, program, arch string) {
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.OS != "linux" || c.Architecture != arch || c.Created.Unix() != 0 {
		t.Errorf("I1 %s/%s of %v", c.OS, c.Architecture, c.Created)
	}
	if c.Config.User != "65532:65532" || !slices.Equal(c.Config.Entrypoint, []string{"/" + program}) ||
		c.Config.Cmd != nil || !slices.Contains(c.Config.Env, "SSL_CERT_FILE=/"+bundle) {
		t.Errorf("I1 config %+v", c.Config)
	}
	want := map[string]string{
		"version": regexp.QuoteMeta(version(t)), "revision": "[0-9a-f]{40}", "licenses": `Apache-2\.0`,
		"source": "https://.+", "title": program, "description": ".+",
	}
	for label, form := range want {
		got := c.Config.Labels["org.opencontainers.image."+label]
		if !regexp.MustCompile("^" + form + "$").MatchString(got) {
			t.Errorf("I1 label %s is %q, want %s", label, got, form)
		}
	}
}

func checkLayers(t *testing.T, program string, names [][]string, files map[string]file) {
	if len(names) != 2 || !slices.Equal(names[1], programsIn(program)) {
		t.Errorf("I1 layers %q: want two, and above the programs alone", names)
	}
	capability := ""
	if program == "coredns" {
		// cap_net_bind_service+ep, in the kernel's struct vfs_cap_data of revision 2.
		capability = "\x01\x00\x00\x02\x00\x04\x00\x00" + strings.Repeat("\x00", 12)
	}
	want := map[string]struct {
		mode, owner int64
		capability  string
	}{
		"etc/": {mode: 0o755}, "etc/group": {mode: 0o644}, "etc/passwd": {mode: 0o644}, "etc/ssl/": {mode: 0o755},
		"etc/ssl/certs/": {mode: 0o755}, bundle: {mode: 0o644}, "run/": {mode: 0o755},
		"run/federation-syncer/": {mode: 0o700, owner: 65532}, "tmp/": {mode: 0o1777},
		program: {mode: 0o755, capability: capability},
	}
	for _, name := range programsIn(program)[1:] {
		want[name] = want["etc/"] // a program without capabilities
	}
	for name, f := range files {
		w, ok := want[name]
		h := f.header
		if !ok || h.Mode != w.mode || int64(h.Uid) != w.owner || int64(h.Gid) != w.owner || h.ModTime.Unix() != 0 ||
			h.PAXRecords["SCHILY.xattr.security.capability"] != w.capability {
			t.Errorf("I1 /%s: %o of %d:%d, %v, %q", name, h.Mode, h.Uid, h.Gid, h.ModTime, h.PAXRecords)
		}
	}
	if len(files) != len(want) {
		t.Errorf("I1 %d files, want %d", len(files), len(want))
	}
	roots := x509.NewCertPool()
	if n := bytes.Count(files[bundle].data, []byte("BEGIN CERTIFICATE")); n < 100 ||
		!roots.AppendCertsFromPEM(files[bundle].data) {
		t.Errorf("I1 %d CA certificates", n)
	}
}

// names reports whether go version -m names the version; if that is none for Go, as a commit without a tag, it names
// the commit in a version of its own.
func names(info *buildinfo.BuildInfo, version string) bool {
	if semver.IsValid(version) {
		return info.Main.Version == version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) == 40 {
			return strings.HasPrefix(s.Value, version) && strings.HasSuffix(info.Main.Version, "-"+s.Value[:12])
		}
	}
	return false
}

func checkProgram(t *testing.T, program, arch string, data []byte) {
	v := version(t)
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if info.GoVersion != *goVersion || !names(info, v) {
		t.Errorf("I2 go version -m: %s by %s, want %s by %s", info.Main.Version, info.GoVersion, v, *goVersion)
	}
	if _, files := unpack(t, fmt.Sprintf("%s_%s_linux_%s.tar.gz", program, v, arch)); !bytes.Equal(files[program].data,
		data) {
		t.Error("I2 the program is not that of the archive")
	}
	var bom cdx.BOM
	text := read(t, fmt.Sprintf("%s_%s_linux_%s.cdx.json", program, v, arch))
	if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range *bom.Components {
		got = append(got, c.Name+"@"+c.Version)
		if c.Licenses == nil || len(*c.Licenses) == 0 {
			t.Errorf("I2 the SBOM has no licence of %s", c.Name)
		}
	}
	want := []string{"std@" + strings.TrimPrefix(info.GoVersion, "go")}
	licenses := string(read(t, "LICENSES.txt"))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		want = append(want, m.Path+"@"+m.Version)
		if !strings.Contains(licenses, "\n"+m.Path+"@"+m.Version+": ") {
			t.Errorf("I2 LICENSES.txt has nothing of %s", m.Path)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("I2 the SBOM has %d modules, the program %d:\n%q\n%q", len(got), len(want), got, want)
	}
}
