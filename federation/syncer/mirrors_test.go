package syncer

import (
	"log/slog"

	"github.com/federation-dns/federation/federation/snapshot"
)

// noMirrors are the mirrors of no federation.
func noMirrors() *mirrorSet {
	return newMirrorSet(slog.New(slog.DiscardHandler), nil, func() []*snapshot.Federation { return nil })
}
