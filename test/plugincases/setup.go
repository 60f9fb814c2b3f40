package plugincases

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/miekg/dns"
)

//go:embed setups
var setupFiles embed.FS

// Setup is a CoreDNS, and what it is asked.
type Setup struct {
	Name string
	// Node is the name of the node it runs on; Refused says that the API server refuses to let it be read.
	Node    string
	Refused bool
	Blocks  []Block
	Cases   []Case
}

// Block is a server block.
type Block struct {
	Zone string // "." or a domain name
	// Federation and Kubernetes are the two directives.
	Federation, Kubernetes string
}

// Case is some questions for one rule.
type Case struct {
	// Rule begins with its id.
	Rule      string
	Questions []Question
}

// Question is one question, and the reply that is wanted, as Text writes it.
type Question struct {
	Name string
	Type uint16
	Want string
	// EDNS and DO: with an OPT record, and DO set in it. AD: that bit set.
	EDNS, DO, AD bool
	TCP          bool
	// Slow: the reply takes seconds. Real: fakes cannot show it.
	Slow, Real bool
}

// Msg is the question as a message of its own.
func (q Question) Msg() *dns.Msg {
	m := new(dns.Msg).SetQuestion(q.Name, q.Type)
	m.AuthenticatedData = q.AD
	if q.EDNS || q.DO {
		m.SetEdns0(1232, q.DO)
	}
	return m
}

// String is the question in one line.
func (q Question) String() string { return q.Name + " " + dns.TypeToString[q.Type] }

// Setups returns all setups.
func Setups() ([]Setup, error) {
	files, err := fs.Glob(setupFiles, "setups/*.txt")
	if err != nil {
		return nil, err
	}
	var all []Setup
	for _, f := range files {
		text, err := setupFiles.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if all, err = parse(all, f, string(text)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// parse adds the setups of a file.
func parse(all []Setup, file, text string) ([]Setup, error) {
	block := false // inside of a server block
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\n")
		bad := func(why string) error { return fmt.Errorf("%s:%d: %s: %q", file, number, why, line) }
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.HasPrefix(line, "setup ") {
			s, err := parseSetup(line)
			if err != nil {
				return nil, bad(err.Error())
			}
			all = append(all, s)
			continue
		}
		if len(all) == 0 {
			return nil, bad("it stands before the first setup")
		}
		s := &all[len(all)-1]
		switch {
		case block:
			block = line != "}"
			if block {
				s.Blocks[len(s.Blocks)-1].add(line)
			}
		case strings.HasSuffix(line, ":53 {"):
			block = true
			s.Blocks = append(s.Blocks, Block{Zone: strings.TrimSuffix(line, ":53 {")})
		case line[0] != ' ':
			s.Cases = append(s.Cases, Case{Rule: line})
		case len(s.Cases) == 0:
			return nil, bad("it stands before the first heading")
		default:
			q, err := parseQuestion(line)
			if err != nil {
				return nil, bad(err.Error())
			}
			c := &s.Cases[len(s.Cases)-1]
			c.Questions = append(c.Questions, q)
		}
	}
	return all, nil
}

func parseSetup(line string) (Setup, error) {
	fields := strings.Fields(line)
	s := Setup{Name: fields[1]}
	for _, f := range fields[2:] {
		switch node, ok := strings.CutPrefix(f, "node="); {
		case ok:
			s.Node = node
		case f == "refused":
			s.Refused = true
		default:
			return s, fmt.Errorf("unknown word %q", f)
		}
	}
	return s, nil
}

// add adds a line to the directive that it belongs to.
func (b *Block) add(line string) {
	into := &b.Kubernetes
	if b.Kubernetes == "" && !strings.HasPrefix(line, "    kubernetes ") {
		into = &b.Federation
	}
	*into += line + "\n"
}

func parseQuestion(line string) (Question, error) {
	left, want, ok := strings.Cut(line, " -> ")
	fields := strings.Fields(left)
	if !ok || len(fields) < 2 {
		return Question{}, fmt.Errorf("not NAME TYPE -> REPLY")
	}
	q := Question{Name: fields[0]}
	if q.Type, ok = dns.StringToType[fields[1]]; !ok {
		return q, fmt.Errorf("unknown type %q", fields[1])
	}
	if !strings.HasSuffix(q.Name, ".") {
		q.Name += ".svc.cluster.local."
	}
	for _, f := range fields[2:] {
		switch f {
		case "+edns":
			q.EDNS = true
		case "+do":
			q.DO = true
		case "+ad":
			q.AD = true
		case "+tcp":
			q.TCP = true
		case "+slow":
			q.Slow = true
		case "+real":
			q.Real = true
		default:
			return q, fmt.Errorf("unknown word %q", f)
		}
	}
	q.Want = expand(want, q.Name)
	return q, nil
}

// expand replaces the words that stand for names.
func expand(want, name string) string {
	left, _, _ := strings.Cut(strings.ToLower(name), ".svc.")
	words := strings.Fields(want)
	for i, w := range words {
		w, ends := strings.CutSuffix(w, ";")
		switch w {
		case "@":
			w = name
		case "@z":
			w = left + ".svc.zone1.example.com."
		case "@r":
			w = left + ".svc.region1.example.com."
		case "@g":
			w = left + ".svc.example.com."
		}
		if ends {
			w += ";"
		}
		words[i] = w
	}
	return strings.Join(sortRuns(strings.Split(strings.Join(words, " "), "; ")), "; ")
}

// Corefile is the setup's, for a server that listens on an address and finds its API server by a kubeconfig, and all
// other names at the upstream.
func (s Setup) Corefile(addr, kubeconfig, upstream string) string {
	var b strings.Builder
	common := fmt.Sprintf("    bind %s\n    errors\n    ready %[1]s:8181\n    forward . %s\n", addr, upstream)
	root := false
	for _, block := range s.Blocks {
		root = root || block.Zone == "."
		first, rest, _ := strings.Cut(block.Kubernetes, "\n")
		fmt.Fprintf(&b, "%s:53 {\n%s%s%s\n        kubeconfig %q\n%s}\n", block.Zone, common, block.Federation, first,
			kubeconfig, rest)
	}
	if !root {
		fmt.Fprintf(&b, ".:53 {\n%s}\n", common)
	}
	return b.String()
}

// Option returns the argument of a line of the kubernetes directive, "" if there is no such line.
func (b Block) Option(word string) string {
	for line := range strings.Lines(b.Kubernetes) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == word {
			return f[1]
		}
	}
	return ""
}
