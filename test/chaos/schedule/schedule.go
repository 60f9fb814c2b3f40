// Package schedule draws what happens in a chaos run from a seed: which shards
// change when, and which faults there are. It is pure: the same seed and the
// same options give the same schedule, whatever comes of it.
package schedule

import (
	"slices"
	"time"
)

// Class is a kind of fault.
type Class string

// The classes.
const (
	APIKill     Class = "api-kill"      // SIGKILL of an API server, and a restart
	APIStop     Class = "api-stop"      // SIGSTOP, and SIGCONT
	Blackhole   Class = "blackhole"     // the link to a member swallows everything
	Reset       Class = "reset"         // and refuses everything
	SlowLink    Class = "slow-link"     // and is slow
	Revoke      Class = "list-revoked"  // the account may not list any more
	CutMajority Class = "cut-majority"  // the links to most members at once
	CutAll      Class = "cut-all"       // and to all
	DNSDown     Class = "dns-down"      // the DNS server refuses connections
	DNSRefuse   Class = "dns-refuse"    // it refuses changes of one name
	DNSSlow     Class = "dns-slow"      // each message takes long
	DNSServfail Class = "dns-servfail"  // each update is answered SERVFAIL
	ReplyLost   Class = "reply-lost"    // updates are made, and their replies lost
	RequestLost Class = "request-lost"  // updates are lost
	DNSKill     Class = "dns-kill"      // SIGKILL of the DNS server, and a restart
	SyncerKill  Class = "syncer-kill"   // SIGKILL of the syncer, and a restart
	SyncerStop  Class = "syncer-stop"   // SIGSTOP, and SIGCONT
	Takeover    Class = "takeover"      // SIGSTOP, a second one takes over, SIGCONT
	MassDelete  Class = "mass-deletion" // most Services of a federation at once

	PluginHang     Class = "plugin-hang"     // the member's credential plugin hangs
	WatchForbidden Class = "watch-forbidden" // the account may list, but not watch: 403
	Throttled      Class = "throttled"       // lists and watches of the account are answered 429
	LabelStorm     Class = "label-storm"     // labels of the member's Nodes change many times a second
	EndlessAnswers Class = "endless-answers" // every answer of the member has no end
	NameUnreadable Class = "name-unreadable" // the DNS server cannot answer for one name, or refers elsewhere
	ClaimDeleted   Class = "claim-deleted"   // somebody deletes claims
	ZoneRestored   Class = "zone-restored"   // the DNS server begins again with an older zone
	LevelDelegated Class = "level-delegated" // somebody delegates a level away

	MirrorDeleted    Class = "mirror-deleted"    // somebody deletes the objects of a member's mirrors
	MirrorEdited     Class = "mirror-edited"     // and edits them, with the right to mend it or without
	MirrorForeign    Class = "mirror-foreign"    // and puts another owner's in their place
	MirrorNamespace  Class = "mirror-namespace"  // the namespace of a member's mirrors is deleted
	MirrorRevoked    Class = "mirror-revoked"    // the account may not write them any more
	HeartbeatStopped Class = "heartbeat-stopped" // it may write buckets only
	CoreDNSRestart   Class = "coredns-restart"   // SIGKILL of a member's CoreDNS, and a restart
)

// Classes are all of them.
var Classes = []Class{
	APIKill, APIStop, Blackhole, Reset, SlowLink, Revoke, CutMajority, CutAll, DNSDown, DNSRefuse, DNSSlow, DNSServfail,
	ReplyLost, RequestLost, DNSKill, SyncerKill, SyncerStop, Takeover, MassDelete,
	PluginHang, WatchForbidden, Throttled, LabelStorm, EndlessAnswers, NameUnreadable, ClaimDeleted, ZoneRestored,
	LevelDelegated,
	MirrorDeleted, MirrorEdited, MirrorForeign, MirrorNamespace, MirrorRevoked, HeartbeatStopped, CoreDNSRestart,
}

// OfMirror reports whether the class is a fault of one member's mirrors, or of the CoreDNS that reads them. No record
// may change for one.
func (c Class) OfMirror() bool {
	return slices.Contains([]Class{
		MirrorDeleted, MirrorEdited, MirrorForeign, MirrorNamespace, MirrorRevoked, HeartbeatStopped, CoreDNSRestart,
	}, c)
}

// OfMember reports whether the class is a fault of one member.
func (c Class) OfMember() bool {
	return slices.Contains([]Class{
		APIKill, APIStop, Blackhole, Reset, SlowLink, Revoke, PluginHang, WatchForbidden, Throttled, LabelStorm,
		EndlessAnswers,
	}, c) || c.OfMirror()
}

// Loses reports whether a fault of the class, of one member, may have it taken
// for lost.
func (c Class) Loses() bool {
	reachable := []Class{SlowLink, WatchForbidden, Throttled, LabelStorm}
	return c.OfMember() && !c.OfMirror() && !slices.Contains(reachable, c)
}

// OfMembers reports whether it is one of several members at once.
func (c Class) OfMembers() bool { return c == CutMajority || c == CutAll }

// OfProvider reports whether it is one of a federation's DNS server.
func (c Class) OfProvider() bool {
	return slices.Contains([]Class{
		DNSDown, DNSRefuse, DNSSlow, DNSServfail, ReplyLost, RequestLost, DNSKill, NameUnreadable, ClaimDeleted,
		ZoneRestored, LevelDelegated,
	}, c)
}

// OfAPI reports whether the API server of a member dies or hangs, for everybody.
func (c Class) OfAPI() bool { return c == APIKill || c == APIStop }

// OfClaim reports whether the claims of a federation go, or become older: until
// they are there again, nobody can say which of two syncers is the one to write.
func (c Class) OfClaim() bool { return c == ClaimDeleted || c == ZoneRestored }

// OfSyncer reports whether it is one of the syncer.
func (c Class) OfSyncer() bool { return c == SyncerKill || c == SyncerStop || c == Takeover }

// Fault is one fault, from At on, counted from the begin of its round.
type Fault struct {
	Class   Class
	At, For time.Duration
	// Away is For, or how long what comes of it is expected to last at least.
	Away time.Duration
	// Members are those concerned.
	Members []int
	// Federation is that of a provider's fault, and of a mass deletion.
	Federation int
	// Services are those that are deleted, or the one whose names are refused or
	// cannot be read.
	Services []int
	// Variant is a number that those who make the fault choose by.
	Variant int
}

// Shard names one member's part of a service.
type Shard struct{ Member, Service int }

// NoFederation is the Federation of a Target without the label.
const NoFederation = -1

// Target is what a shard shall be.
type Target struct {
	Exists     bool
	Federation int
	Ready      bool
	// Version tells its addresses apart.
	Version int
}

// Healthy reports whether such a shard may be published in the federation.
func (t Target) Healthy(federation int) bool { return t.Local() && t.Federation == federation }

// Local reports whether it is healthy for its own cluster's pods.
func (t Target) Local() bool { return t.Exists && t.Ready }

// Change makes a shard another one, at a time counted from the begin of its
// round.
type Change struct {
	At     time.Duration
	Kind   string // one of Kinds
	Shard  Shard
	Target Target
}

// Kinds are what a Change may be.
var Kinds = []string{"ready", "unready", "create", "delete", "relabel", "address"}

// Round is a time with changes and faults, after which all is to be well again.
type Round struct {
	Number  int
	Length  time.Duration
	Faults  []Fault  // by At
	Changes []Change // by At
}

// Options say what there is.
type Options struct {
	// Members are three or more.
	Members int
	// Services are at least MinServices, half of them in each of the two
	// federations.
	Services int
	// Favour, if not empty, are the only classes.
	Favour []Class
	// Without are the classes that cannot be played on the host of each
	// federation.
	Without [Federations][]Class
	// InMember: records are kept in the first member, so that its API server is a provider's too.
	InMember bool
	// Lease: a syncer that is killed or stopped is replaced when its Lease has run
	// out.
	Lease bool
	// PerSecond is how many changes there are.
	PerSecond float64
}

// The services that are special.
const (
	// Federations is how many there are.
	Federations = 2
	// Steady services never change: one a federation, with a shard in each member.
	Steady = Federations
	// Lonely services have one shard, and come after the steady ones.
	Lonely = 6
	// MinServices leave enough for a mass deletion.
	MinServices = 28
	// MaxServices is how many there are addresses for.
	MaxServices = 64
	// massDeleted is how many services a mass deletion deletes: more than X4's
	// ten, and more than its 30 %.
	massDeleted = 13
)

// HasPlugin reports whether the syncer's credentials for the member come from a
// plugin: those of every other one do.
func HasPlugin(member int) bool { return member%2 == 1 }

// Of is the federation that a service begins in.
func Of(service int) int { return service % Federations }
