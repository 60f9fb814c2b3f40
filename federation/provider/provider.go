// Package provider is the contract between the syncer and the host of the DNS zone. The words are those of RFC 9499.
//
// Package providertest holds the suite that every provider passes.
package provider

import (
	"context"
	"errors"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/plan"
)

// The error of a change, and of a Get or List, wraps one of these five (X5a). An error that wraps none of them counts
// as ErrUnavailable for that name, and leaves open whether a change was made, as ErrUnknownOutcome does.
var (
	// ErrConflict: the change's From, or the batch's claim, is not what the server has. The name is untouched. Callers
	// read the claim, then that one name, and plan again (O3c).
	ErrConflict = errors.New("the server holds other records than expected")

	// ErrRefused: the server will refuse this change again however often it is sent: a bad key, a zone it does not
	// host, a name or a form that it does not accept, a limit. The name is untouched. It is reported and retried
	// slowly.
	ErrRefused = errors.New("refused by the server")

	// ErrNotSent: the change certainly never reached the server: ctx had ended, no connection could be made, or an
	// earlier failure ended the run. The name is untouched, and is planned again without being read.
	ErrNotSent = errors.New("not sent")

	// ErrUnknownOutcome: the request was sent and may have been carried out, but no answer says so. Read the name
	// before changing it again.
	ErrUnknownOutcome = errors.New("the outcome is not known")

	// ErrUnavailable: the server answered that it cannot at the moment (SERVFAIL, a 5xx status, throttling). The change
	// was not made. This is about one name only: a neutral request shows whether the server as a whole is down.
	ErrUnavailable = errors.New("the server cannot answer now")
)

// ErrThrottled is wrapped by the error of a request that exceeded the rate that the server allows. Providers retry such
// requests more slowly; the error is for counting them.
var ErrThrottled = errors.New("more was asked of the server than it allows")

// Provider hosts one DNS zone.
//
// All methods may be called by several goroutines. They block until the server has answered, stop soon after ctx has
// ended, and start no request after that. Nothing logs; errors name the server and the RRset, never a secret. RRsets
// passed in are neither modified nor kept.
type Provider interface {
	// Apply makes the changes and returns one error for each, in order, nil for a change that the server has confirmed.
	// Each change is atomic: no query sees its name empty or mixed on the way; P6r has the one exception. Changes are
	// independent: one refused change costs no other.
	//
	// With a claim, no change happens unless the server has exactly this RRset at the moment of the change (O3a).
	//
	// RRsets of other types at the name are left alone, and so is TXT unless the change itself has TXT RRsets. A switch
	// to CNAME beside such an RRset is impossible: it is refused and the name keeps what it had (P6r).
	//
	// Two changes of one name are made one after the other, in order.
	//
	// Each error wraps one of the five kinds above.
	Apply(ctx context.Context, claim *federation.RRset, changes []plan.Change) []error

	// Get returns all A, AAAA, CNAME and TXT RRsets at the name as the primary has them now, sorted by type, without
	// chasing. A name that does not exist has none; that is no error.
	Get(ctx context.Context, name federation.FQDN) ([]federation.RRset, error)

	// List yields all A, AAAA, CNAME and TXT RRsets whose name is suffix or lies below it, in no particular order. An
	// error of yield ends the list and is returned. An RRset is yielded only once it is complete; a list that ends
	// early is always an error, never a short list.
	List(ctx context.Context, suffix federation.FQDN, yield func(federation.RRset) error) error

	// NegativeTTL returns for how many seconds resolvers cache that a name of the zone does not exist (P3d): the lesser
	// of the SOA record's TTL and its MINIMUM field (RFC 2308, section 5).
	NegativeTTL(ctx context.Context) (uint32, error)

	// Caps returns what the provider can do.
	Caps() Caps

	// Close closes idle connections. The provider can be used again.
	Close() error
}

// Caps is what callers must know of a provider.
type Caps struct {
	// CompareTTL: From is compared with its TTLs too. Without it, only the audit finds TTL drift.
	CompareTTL bool
	// ListsWholeZone: List reads the whole zone, whatever the suffix. Read several suffixes with one List of a name
	// above them all.
	ListsWholeZone bool
	// MissesOtherTypes: of A and AAAA, a change does not see an RRset of a type that neither its From nor its To has.
	// Such an RRset is left alone, and only the audit finds it.
	MissesOtherTypes bool
}
