package policy

import (
	"slices"
	"time"
)

// judgePanic decides, before a loss takes effect, whether more than PanicThreshold of the recently reachable members
// are lost within a short time: then the syncer itself is isolated (X3a). A member that fell silent together with a
// lost one counts too, because the members behind one broken link are not judged at the same moment. Members lost
// within that time before are part of the panic (X3b).
func (r *Roster) judgePanic(now time.Time, lost []string) {
	if !r.panic.IsZero() {
		return
	}
	window := time.Duration(0)
	for _, mb := range r.members {
		window = max(window, 2*r.after(mb))
	}
	counted, away := 0, 0
	var lately []*member
	for name, mb := range r.members {
		if mb.counted.IsZero() || now.Sub(mb.counted) > reachableWindow {
			continue
		}
		counted++
		switch {
		case slices.Contains(lost, name), r.silentWith(mb, lost):
			away++
		case r.unwatchedWith(now, mb, lost):
			away++
		case r.lostTogether(now, mb, lost, window):
			away++
			lately = append(lately, mb)
		}
	}
	if away*100 > counted*r.config.PanicThreshold {
		r.panic = now
		for _, mb := range lately {
			mb.Panic = true
		}
	}
}

// silentWith reports whether the silence of a member that is not lost yet began together with that of a lost one, at
// most two probe intervals apart. Probes that fail now and then, however often, are no sign of a panic (X3a).
func (r *Roster) silentWith(mb *member, lost []string) bool {
	if mb.Standing == Lost || mb.contact.Failed == 0 {
		return false
	}
	return slices.ContainsFunc(lost, func(name string) bool {
		other := r.members[name]
		apart := mb.contact.Since.Sub(other.contact.Since).Abs()
		return other.contact.Failed > 0 && apart <= 2*max(probeInterval(r.after(mb)), probeInterval(r.after(other)))
	})
}

// endPanic ends the panic once its members are back, or after PanicHold if at least one member and the provider answer
// (X3c). It reports whether it did.
func (r *Roster) endPanic(now time.Time, providerOK bool) bool {
	if r.panic.IsZero() {
		return false
	}
	away, answers := false, false
	for _, mb := range r.members {
		away = away || mb.Panic
		answers = answers || mb.contact.Answers()
	}
	if away && (!answers || !providerOK || now.Before(r.panic.Add(r.config.PanicHold))) {
		return false
	}
	for _, mb := range r.members { // HeldMax is suspended during a panic (X2c)
		switch {
		case mb.Panic:
			mb.Panic, mb.HeldSince = false, now
		case mb.Standing == Lost && mb.HeldSince.Before(r.panic):
			mb.HeldSince = mb.HeldSince.Add(now.Sub(r.panic))
		case mb.Standing == Lost:
			mb.HeldSince = now
		}
	}
	r.panic = time.Time{}
	return true
}

// AskProvider reports whether the panic would end if the provider answered (X3c).
func (r *Roster) AskProvider(now time.Time) bool {
	if r.panic.IsZero() || now.Before(r.panic.Add(r.config.PanicHold)) {
		return false
	}
	for _, mb := range r.members {
		if mb.contact.Answers() {
			return true
		}
	}
	return false
}
