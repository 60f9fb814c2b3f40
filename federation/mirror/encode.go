package mirror

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/federation-dns/federation/federation"
)

// Encode returns the data of the heartbeat's ConfigMap.
func (h *Heartbeat) Encode() map[string]string {
	return map[string]string{heartbeatKey: encode(h, "  ") + "\n"}
}

// EncodeBucket returns the data of a bucket's ConfigMap. lines are the lines of its services (Service.Line), in the
// order of their names.
func EncodeBucket(h Header, lines []string) map[string]string {
	return map[string]string{headerKey: encode(h, "") + "\n", servicesKey: strings.Join(lines, "")}
}

// encode puts a value of this package into JSON, which cannot fail.
func encode(v any, indent string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Hash returns the hash of a bucket's data. It depends on nothing else.
func Hash(data map[string]string) string {
	h := sha256.New()
	for _, key := range []string{headerKey, servicesKey} {
		fmt.Fprintf(h, "%d\n%s", len(data[key]), data[key])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// IsHeartbeat reports whether the data is that of a heartbeat.
func IsHeartbeat(data map[string]string) bool { return data[heartbeatKey] != "" }

// OwnerOf returns the owner id of the syncer that wrote the data of a heartbeat or a bucket, of whatever format; "" if
// that cannot be read.
func OwnerOf(data map[string]string) string {
	var of struct {
		Owner string `json:"owner"`
	}
	for _, key := range []string{heartbeatKey, headerKey} {
		if decode(data[key], &of) == nil {
			break
		}
	}
	return of.Owner
}

// DecodeHeader returns what a bucket says of itself.
func DecodeHeader(data map[string]string) (h Header, err error) {
	if err := decode(data[headerKey], &h); err != nil {
		return h, fmt.Errorf("bucket: %w", err)
	}
	if err := checkForm(h.Format, h.Identity); err != nil {
		return h, fmt.Errorf("bucket: %w", err)
	}
	return h, nil
}

// DecodeHeartbeat is the inverse of Encode. An error says what is wrong with it.
func DecodeHeartbeat(data map[string]string) (*Heartbeat, error) {
	h := &Heartbeat{}
	if err := decode(data[heartbeatKey], h); err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	if err := checkForm(h.Format, h.Identity); err != nil {
		return nil, fmt.Errorf("heartbeat: %w", err)
	}
	if n := len(h.Buckets); n == 0 || n > MaxBuckets || n&(n-1) != 0 {
		return nil, fmt.Errorf("heartbeat: %d buckets: a power of two up to %d is allowed", n, MaxBuckets)
	}
	switch {
	case h.Set == "":
		return nil, errors.New("heartbeat: it has no set")
	case h.Member == "":
		return nil, errors.New("heartbeat: it does not say which member it is for")
	}
	return h, nil
}

// DecodeBucket is the inverse of EncodeBucket: it returns the services in the order of their names. An error says what
// is wrong with it; then nothing of it counts.
func DecodeBucket(data map[string]string) (Header, []Service, error) {
	h, err := DecodeHeader(data)
	if err != nil {
		return h, nil, err
	}
	var services []Service
	n := 0
	for line := range strings.Lines(data[servicesKey]) {
		n++
		var s Service
		err := decode(line, &s)
		if err == nil {
			err = s.check(h.Identity)
		}
		if err != nil {
			return h, nil, fmt.Errorf("bucket: service %d: %w", n, err)
		}
		services = append(services, s)
	}
	slices.SortFunc(services, func(a, b Service) int {
		return federation.CompareServiceNames(a.ServiceName(), b.ServiceName())
	})
	return h, services, nil
}

func decode(text string, into any) error {
	if text == "" {
		return errors.New("it is empty")
	}
	return json.Unmarshal([]byte(text), into)
}

func checkForm(format int, id Identity) error {
	if format != Format {
		return fmt.Errorf("format %d is not known: this version reads format %d", format, Format)
	}
	name, err := federation.ParseName(string(id.Federation))
	if err != nil {
		return err
	}
	domain, err := federation.ParseDomain(string(id.Domain))
	if err != nil {
		return err
	}
	naming, err := federation.ParseNaming(string(id.Naming))
	if err != nil {
		return err
	}
	if got := (Identity{name, domain, naming}); got != id {
		return fmt.Errorf("%v is not in canonical form: it should be %v", id, got)
	}
	return nil
}

// check returns what is wrong with the service: names of another domain, an address that is never published (H3a), or a
// port that no Service has.
func (s *Service) check(id Identity) error {
	for _, label := range []string{s.Namespace, s.Name} {
		if l, err := federation.ParseLabel(label); err != nil || string(l) != label {
			return fmt.Errorf("%q is not the name of a namespace or a Service", label)
		}
	}
	f := federation.Federation{Name: id.Federation, Domain: id.Domain, Naming: id.Naming}
	isLevel := func(name federation.FQDN) bool {
		level, ok := f.ParseSuffix(f.Suffix(name))
		return ok && level == name
	}
	for _, lv := range s.Levels {
		kinds := 0
		for _, has := range []bool{len(lv.Addresses) > 0, lv.Host != "", lv.Up != ""} {
			if has {
				kinds++
			}
		}
		switch {
		case kinds > 1:
			return fmt.Errorf("level %q has more than one of addresses, host and up", lv.Level)
		case !isLevel(lv.Level):
			return fmt.Errorf("%q is not a level of %q", lv.Level, id.Domain)
		case lv.Up != "" && (lv.Up == lv.Level || !isLevel(lv.Up)):
			return fmt.Errorf("level %q leads to %q, which is not another level of %q", lv.Level, lv.Up, id.Domain)
		}
		if host, err := federation.ParseFQDN(string(lv.Host)); lv.Host != "" && (err != nil || host != lv.Host) {
			return fmt.Errorf("level %q: %q is not a host name", lv.Level, lv.Host)
		}
		for _, a := range lv.Addresses {
			if !federation.MayBePublished(a.Address) {
				return fmt.Errorf("level %q: %q is not an address that is published", lv.Level, a.Address)
			}
		}
	}
	for _, p := range s.Ports {
		if !federation.Port(p).Valid() {
			return fmt.Errorf("port %q (%s) %d is none of a Service", p.Name, p.Protocol, p.Port)
		}
	}
	return nil
}
