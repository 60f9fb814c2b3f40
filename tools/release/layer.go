package main

import (
	"bytes"
	"encoding/pem"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// nonroot is the user and group of every process in the images.
const nonroot = 65532

const certificates = "etc/ssl/certs/ca-certificates.crt"

// base is the layer below the program: what a static Go program looks for. It changes with the bundle of CA
// certificates only, so a new version of a program is one new layer.
func base() (v1.Layer, error) {
	return layer([]entry{
		{name: "etc/", mode: 0o755},
		{name: "etc/group", mode: 0o644, data: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{name: "etc/passwd", mode: 0o644,
			data: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{name: "etc/ssl/", mode: 0o755},
		{name: "etc/ssl/certs/", mode: 0o755},
		{name: certificates, mode: 0o644, data: roots()},
		{name: "run/", mode: 0o755},
		{name: "run/federation-syncer/", mode: 0o700, owner: nonroot}, // the admin socket's folder
		{name: "tmp/", mode: 0o1777},
	})
}

// roots are Mozilla's CA certificates, of the version that go.mod pins.
func roots() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
	}
	return out.Bytes()
}

// capNetBindService is the value of security.capability for cap_net_bind_service+ep: struct vfs_cap_data of revision 2
// (linux/capability.h), with the effective bit, little endian.
var capNetBindService = []byte{
	0x01, 0x00, 0x00, 0x02, // VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE
	0x00, 0x04, 0x00, 0x00, // permitted: 1 << CAP_NET_BIND_SERVICE (10)
	0x00, 0x00, 0x00, 0x00, // inheritable
	0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00,
}

// top is the layer with the programs alone, in the root folder.
func top(binaries []binary) (v1.Layer, error) {
	var entries []entry
	for _, b := range binaries {
		data, err := os.ReadFile(b.path)
		if err != nil {
			return nil, err
		}
		e := entry{name: b.program.name, mode: 0o755, data: data}
		if b.program.port53 {
			e.capabilities = capNetBindService
		}
		entries = append(entries, e)
	}
	return layer(entries)
}

// layer packs the entries in their order.
func layer(entries []entry) (v1.Layer, error) {
	var out bytes.Buffer
	if err := writeTar(&out, entries); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(out.Bytes())), nil
	})
}
