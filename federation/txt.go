package federation

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxTXTOctets is the longest character-string of a TXT record, without the quotes and escapes of its presentation form
// (RFC 1035, section 3.3).
const maxTXTOctets = 255

// The fields that begin each of our TXT records.
var (
	heritageField = "heritage=" + heritage
	versionField  = "version=" + strconv.Itoa(formatVersion)
)

// printTXT returns one TXT record in presentation form: each character-string in quotes, and escaped as miekg/dns
// prints it, so that a server's answer equals what was written.
func printTXT(strs ...string) string {
	var b strings.Builder
	for i, s := range strs {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteByte('"')
		for j := range len(s) {
			switch c := s[j]; {
			case c == '"' || c == '\\':
				b.WriteByte('\\')
				b.WriteByte(c)
			case c < ' ' || c > '~':
				fmt.Fprintf(&b, `\%03d`, c)
			default:
				b.WriteByte(c)
			}
		}
		b.WriteByte('"')
	}
	return b.String()
}

// parseTXT is the inverse of printTXT.
func parseTXT(data string) ([]string, error) {
	var strs []string
	rest := data
	for {
		s, after, err := cutTXT(rest)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", data, err)
		}
		strs = append(strs, s)
		if after == "" {
			return strs, nil
		}
		if after[0] != ' ' {
			return nil, fmt.Errorf("record %s: no blank between two strings", data)
		}
		rest = after[1:]
	}
}

// cutTXT splits off the first character-string.
func cutTXT(data string) (s, after string, err error) {
	if data == "" || data[0] != '"' {
		return "", "", fmt.Errorf("a string is not in quotes")
	}
	var b strings.Builder
	for i := 1; i < len(data); i++ {
		c := data[i]
		switch {
		case c == '"':
			if b.Len() > maxTXTOctets {
				return "", "", fmt.Errorf("a string has %d octets, at most %d are allowed", b.Len(), maxTXTOctets)
			}
			return b.String(), data[i+1:], nil
		case c == '\\' && i+3 < len(data) && isDigit(data[i+1]):
			n, err := strconv.ParseUint(data[i+1:i+4], 10, 8)
			if err != nil {
				return "", "", fmt.Errorf(`escape %q is not \000 to \255`, data[i:i+4])
			}
			c = byte(n)
			i += 3
		case c == '\\' && i+1 < len(data):
			i++
			c = data[i]
		}
		b.WriteByte(c)
	}
	return "", "", fmt.Errorf("a string has no closing quote")
}

// fields are the key=value strings of one of our TXT records, in order.
type fields struct {
	record string
	values map[string][]string
}

// parseFields parses a TXT record and checks that it has our format.
func parseFields(data string) (fields, error) {
	f := fields{record: data, values: map[string][]string{}}
	strs, err := parseTXT(data)
	if err != nil {
		return f, err
	}
	for _, s := range strs {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return f, fmt.Errorf("record %s: %q is not key=value", data, s)
		}
		f.values[key] = append(f.values[key], value)
	}
	if !slices.Equal(f.values["heritage"], []string{heritage}) {
		return f, fmt.Errorf("record %s: heritage is %q, not %q", data, f.values["heritage"], heritage)
	}
	version, err := f.one("version")
	if err != nil {
		return f, err
	}
	if version != strconv.Itoa(formatVersion) {
		return f, fmt.Errorf("record %s: format version is %q, %d is known here", data, version, formatVersion)
	}
	return f, nil
}

// one returns the value of a key that must occur exactly once, with a value.
func (f fields) one(key string) (string, error) {
	value, err := f.optional(key)
	if err == nil && value == "" {
		err = fmt.Errorf("record %s: no %q", f.record, key)
	}
	return value, err
}

// optional returns the value of a key that may occur once; "" if it does not.
func (f fields) optional(key string) (string, error) {
	switch v := f.values[key]; len(v) {
	case 0:
		return "", nil
	case 1:
		return v[0], nil
	default:
		return "", fmt.Errorf("record %s: %q stands %d times", f.record, key, len(v))
	}
}
