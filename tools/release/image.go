package main

import (
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const source = "https://github.com/federation-dns/federation"

// image makes the image of a binary, which may have others beside it.
func image(o options, b binary, beside ...binary) (v1.Image, error) {
	below, err := base()
	if err != nil {
		return nil, err
	}
	above, err := top(append([]binary{b}, beside...))
	if err != nil {
		return nil, err
	}
	epoch := v1.Time{Time: time.Unix(0, 0).UTC()}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	img, err = mutate.Append(img,
		mutate.Addendum{Layer: below, MediaType: types.OCILayer, History: v1.History{Created: epoch,
			CreatedBy: "passwd, CA certificates, folders"}},
		mutate.Addendum{Layer: above, MediaType: types.OCILayer, History: v1.History{Created: epoch,
			CreatedBy: "go build " + b.program.pkg}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = b.platform.os, b.platform.arch
	config.Created = epoch
	config.Config = v1.Config{
		Entrypoint: []string{"/" + b.program.name},
		User:       "65532:65532",
		WorkingDir: "/",
		Env:        []string{"PATH=/", "SSL_CERT_FILE=/" + certificates},
		Labels: map[string]string{
			"org.opencontainers.image.title":       b.program.name,
			"org.opencontainers.image.description": b.program.title,
			"org.opencontainers.image.version":     o.version,
			"org.opencontainers.image.revision":    o.revision,
			"org.opencontainers.image.source":      source,
			"org.opencontainers.image.licenses":    "Apache-2.0",
		},
	}
	return mutate.ConfigFile(img, config)
}

// writeIndex writes a tar file of an OCI layout with one image per platform under one name, which containerd, podman,
// skopeo and crane read as it is.
func writeIndex(path, name string, images map[platform]v1.Image, order []platform) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, at := range order {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        images[at],
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: at.os, Architecture: at.arch}},
		})
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), "layout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	at, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	// The names by which a tool finds the image in the layout: the OCI's own, and containerd's for a complete name.
	err = at.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": name,
		"io.containerd.image.name":          name,
	}))
	if err != nil {
		return err
	}
	return packLayout(path, dir)
}

// packLayout packs the folder of an OCI layout.
func packLayout(path, dir string) error {
	files, err := readTree(dir, "", nil)
	if err != nil {
		return err
	}
	// Not every reader makes the folders that a file lies in.
	files = append([]entry{{name: "blobs/", mode: 0o755}, {name: "blobs/sha256/", mode: 0o755}}, files...)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := writeTar(f, files); err != nil {
		return err
	}
	return f.Close()
}
