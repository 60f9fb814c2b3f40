package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// Load reads and validates a configuration file completely, before anything starts. The error joins everything that is
// wrong, in the order of the lines, each with file, line, the path of the field and what is allowed.
//
// It also reads the TSIG secrets that the file names, but not the kubeconfigs of members, which may be corrected while
// other members are served (X7): see Config.Warnings.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse is Load for a file that has already been read.
func Parse(path string, data []byte) (*Config, error) {
	c, _, err := parse(path, data)
	return c, err
}

// parse also returns the files that were read because the configuration names them, even if it is refused: they may be
// the reason.
func parse(path string, data []byte) (*Config, []string, error) {
	p := &parser{document: newDocument(path), base: filepath.Dir(path)}
	f := defaults()
	if !p.decode(data, &f) {
		return nil, nil, p.joined()
	}
	c := p.config(f)
	if len(p.errs) > 0 {
		return nil, c.Files, p.joined()
	}
	return c, c.Files, nil
}

// parser turns the fields of the file into a Config, and reports what is wrong with them.
type parser struct {
	document
	base string // the folder of the file
}

// file returns the path of a file named in the configuration. A relative one is relative to the configuration.
func (p *parser) file(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.base, name)
}
