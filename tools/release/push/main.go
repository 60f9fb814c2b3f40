// Push uploads the images of a release to the registry that their names say, by the credentials of docker login.
//
//	cd tools/release && go run ./push -dist FOLDER [-registry HOST/PREFIX]
package main

import (
	"archive/tar"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "push:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("push", flag.ContinueOnError)
	dist := f.String("dist", "dist", "`folder` of the release")
	registry := f.String("registry", "", "`prefix` of the names, such as registry.example.com/federation; default: "+
		"that of the release")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q (-help lists the flags)", f.Arg(0))
	}
	archives, err := filepath.Glob(filepath.Join(*dist, "*_image.tar"))
	if err != nil {
		return err
	}
	if len(archives) == 0 {
		return fmt.Errorf("there is no image (*_image.tar) in %s: make release makes them", *dist)
	}
	for _, a := range archives {
		if err := push(ctx, a, *registry, out); err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	return nil
}

// push uploads the image of all platforms under its name, or under another registry's.
func push(ctx context.Context, archive, registry string, out io.Writer) error {
	dir, err := os.MkdirTemp("", "push-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	index, image, err := open(archive, dir)
	if err != nil {
		return err
	}
	if registry != "" {
		image = strings.TrimSuffix(registry, "/") + image[strings.LastIndex(image, "/"):]
	}
	ref, err := name.NewTag(image, name.StrictValidation)
	if err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "pushing %s@%s\n", ref, digest)
	return remote.WriteIndex(ref, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
}

// open unpacks the archive of an OCI layout, and finds the one image in it and its name.
func open(archive, dir string) (v1.ImageIndex, string, error) {
	if err := unpack(archive, dir); err != nil {
		return nil, "", err
	}
	outer, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, "", err
	}
	manifest, err := outer.IndexManifest()
	if err != nil {
		return nil, "", err
	}
	if len(manifest.Manifests) != 1 {
		return nil, "", fmt.Errorf("%d images, want 1", len(manifest.Manifests))
	}
	d := manifest.Manifests[0]
	index, err := outer.ImageIndex(d.Digest)
	return index, d.Annotations["org.opencontainers.image.ref.name"], err
}

func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	root, err := os.OpenRoot(dir) // no name leads out of it
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			err = root.MkdirAll(strings.TrimSuffix(h.Name, "/"), 0o755)
		} else {
			err = writeFile(root, h.Name, r)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, name string, from io.Reader) error {
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
