package route53

import (
	"fmt"
	"strings"

	"github.com/federation-dns/federation/federation"
	"github.com/federation-dns/federation/federation/provider"
)

// Route 53 writes octets that cannot stand for themselves as a backslash and three octal digits; the presentation form
// of DNS has decimal ones.

// toOctal returns data of an RRset as Route 53 has it.
func toOctal(typ, data string) string {
	switch typ {
	case federation.TypeTXT:
		return recode(data, func(c byte) string {
			if c == '"' || c == '\\' {
				return `\` + string(rune(c))
			}
			return octal(c)
		})
	case federation.TypeCNAME:
		return nameToOctal(data)
	}
	return data
}

// nameToOctal returns a name as Route 53 has it.
func nameToOctal(name string) string { return recode(name, octal) }

func octal(c byte) string { return fmt.Sprintf(`\%03o`, c) }

// recode replaces each escape of the presentation form.
func recode(s string, escape func(byte) string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case i+3 < len(s) && digits(s[i+1:i+4], '9'):
			b.WriteString(escape(byte(int(s[i+1]-'0')*100 + int(s[i+2]-'0')*10 + int(s[i+3]-'0'))))
			i += 3
		default:
			b.WriteString(escape(s[i+1]))
			i++
		}
	}
	return b.String()
}

func digits(s string, highest byte) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > highest {
			return false
		}
	}
	return true
}

// fromOctal returns what Route 53 has written in presentation form: octal escapes become decimal ones.
func fromOctal(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+3 < len(s) && digits(s[i+1:i+4], '7'):
			fmt.Fprintf(&b, `\%03d`, int(s[i+1]-'0')&3<<6|int(s[i+2]-'0')<<3|int(s[i+3]-'0'))
			i += 3
		case s[i] == '\\' && i+1 < len(s):
			b.WriteString(s[i : i+2])
			i++
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// nameFromOctal returns a name of Route 53's in canonical form. Route 53 takes names and targets with and without the
// trailing dot.
func nameFromOctal(s string) (federation.FQDN, error) {
	return provider.ParseName(fromOctal(s))
}
