package rfc2136

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const tsigFudge = 300 // seconds, RFC 8945, section 10

// hashes are the algorithms of RFC 8945, section 6, that are worth having.
var hashes = map[string]func() hash.Hash{
	dns.HmacSHA1:   sha1.New,
	dns.HmacSHA224: sha256.New224,
	dns.HmacSHA256: sha256.New,
	dns.HmacSHA384: sha512.New384,
	dns.HmacSHA512: sha512.New,
}

// maxUnsigned is how many messages of a transfer may come between two signed ones (RFC 8945, section 5.3.1).
const maxUnsigned = 99

// errUnsigned is the error of an unsigned reply, which proves nothing.
var errUnsigned = errors.New("the reply is not signed")

// sign packs the message with a TSIG record and returns its MAC too.
func (t TSIG) sign(m *dns.Msg) (wire []byte, mac string, err error) {
	signed := m.Copy()
	signed.SetTsig(t.Name, t.Algorithm, tsigFudge, time.Now().Unix())
	wire, mac, err = dns.TsigGenerate(signed, t.Secret, "", false)
	if err != nil {
		return nil, "", fmt.Errorf("message cannot be packed: %w", err)
	}
	return wire, mac, nil
}

// verify checks the signature of a reply. A refusal may come unsigned: a server that does not know the key cannot sign
// (RFC 8945, section 5.3.2), and one that fails may not get that far. It is only reported: an unsigned SERVFAIL leaves
// open whether an update was made.
func (t TSIG) verify(wire []byte, reply *dns.Msg, requestMAC string) error {
	if reply.Rcode == dns.RcodeNotAuth {
		return nil
	}
	if reply.IsTsig() == nil {
		if slices.Contains(refusals, reply.Rcode) || reply.Rcode == dns.RcodeServerFailure {
			return nil
		}
		return errUnsigned
	}
	if err := t.verifyName(reply); err != nil {
		return err
	}
	if err := dns.TsigVerify(wire, t.Secret, requestMAC, false); err != nil {
		return fmt.Errorf("the signature of the reply is wrong: %w", err)
	}
	return nil
}

func (t TSIG) verifyName(reply *dns.Msg) error {
	if sig := reply.IsTsig(); !strings.EqualFold(sig.Hdr.Name, t.Name) ||
		!strings.EqualFold(sig.Algorithm, t.Algorithm) {
		return fmt.Errorf("the reply is signed with key %q (%s)", sig.Hdr.Name, sig.Algorithm)
	}
	return nil
}

// stream verifies the messages of a zone transfer: the first is signed like any reply; each later signature covers also
// the unsigned messages since the one before (RFC 8945, section 5.3.1).
type stream struct {
	key      TSIG
	mac      string
	later    bool
	unsigned []byte
	count    int
}

// next verifies the messages in order. After the last one, signed must be true.
func (s *stream) next(wire []byte, m *dns.Msg) (signed bool, err error) {
	if m.IsTsig() == nil {
		s.count++
		if !s.later || s.count > maxUnsigned {
			return false, errUnsigned
		}
		s.unsigned = append(s.unsigned, wire...)
		return false, nil
	}
	if err := s.key.verifyName(m); err != nil {
		return false, err
	}
	if err := dns.TsigVerifyWithProvider(wire, s, s.mac, s.later); err != nil {
		return false, fmt.Errorf("the signature of the transfer is wrong: %w", err)
	}
	s.mac, s.later, s.unsigned, s.count = m.IsTsig().MAC, true, nil, 0
	return true, nil
}

// Verify implements dns.TsigProvider: what the library has digested is the prior MAC with its length, the message and
// the variables; the unsigned messages belong behind the MAC.
func (s *stream) Verify(digested []byte, sig *dns.TSIG) error {
	at := 0
	if s.mac != "" {
		at = 2 + len(s.mac)/2
	}
	whole := slices.Concat(digested[:at], s.unsigned, digested[at:])
	want, err := s.Generate(whole, sig)
	if err != nil {
		return err
	}
	if got, err := hex.DecodeString(sig.MAC); err != nil || !hmac.Equal(got, want) {
		return dns.ErrSig
	}
	return nil
}

// Generate implements dns.TsigProvider.
func (s *stream) Generate(digested []byte, _ *dns.TSIG) ([]byte, error) {
	secret, err := base64.StdEncoding.DecodeString(s.key.Secret)
	if err != nil {
		return nil, dns.ErrSecret
	}
	h := hmac.New(hashes[s.key.Algorithm], secret)
	h.Write(digested)
	return h.Sum(nil), nil
}
