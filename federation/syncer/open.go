package syncer

import (
	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/rfc2136"
)

// hosted is a provider with connections of its own.
type hosted interface {
	provider.Provider
	Close() error
}

// open returns the provider of the federation. It does not connect.
func (f Federation) open() (hosted, error) { return rfc2136.New(f.RFC2136) }
