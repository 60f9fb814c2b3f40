package route53

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// node is an element of XML.
type node struct {
	XMLName  xml.Name
	Text     string `xml:",chardata"`
	Children []node `xml:",any"`
}

func parse(text []byte) (n node, err error) {
	err = xml.Unmarshal(text, &n)
	return n, err
}

func (n node) child(name string) *node {
	for i := range n.Children {
		if n.Children[i].XMLName.Local == name {
			return &n.Children[i]
		}
	}
	return nil
}

// structure checks that the element has the members of the shape.
func (m *Model) structure(name string, n node, space string) error {
	s := m.Shapes[name]
	byElement := map[string]string{} // the shape of each element
	for member, in := range s.Members {
		if in.Location != "" {
			continue
		}
		element := member
		if in.LocationName != "" {
			element = in.LocationName
		}
		byElement[element] = in.Shape
		if slices.Contains(s.Required, member) && n.child(element) == nil {
			return fmt.Errorf("%s has no %s", n.XMLName.Local, element)
		}
	}
	seen := map[string]bool{}
	for _, c := range n.Children {
		element := c.XMLName.Local
		of, there := byElement[element]
		if !there || seen[element] || c.XMLName.Space != space {
			return fmt.Errorf("%s has %v, which is unknown, twice or of another namespace", n.XMLName.Local, c.XMLName)
		}
		seen[element] = true
		if err := m.value(of, c, space); err != nil {
			return fmt.Errorf("%s: %w", element, err)
		}
	}
	return nil
}

func (m *Model) value(name string, n node, space string) error {
	s := m.Shapes[name]
	switch s.Type {
	case "structure":
		return m.structure(name, n, space)
	case "list":
		if err := s.within(int64(len(n.Children))); err != nil {
			return err
		}
		for _, c := range n.Children {
			if c.XMLName.Local != s.Member.LocationName {
				return fmt.Errorf("%s in a list of %s", c.XMLName.Local, s.Member.LocationName)
			}
			if err := m.value(s.Member.Shape, c, space); err != nil {
				return err
			}
		}
		return nil
	}
	return m.scalar(name, n.Text)
}

func (m *Model) scalar(name, text string) error {
	s := m.Shapes[name]
	switch s.Type {
	case "string":
		// With this prefix, as answers have it, Route 53's own ids are longer than its description allows.
		text = strings.TrimPrefix(text, "/hostedzone/")
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) {
			return fmt.Errorf("%q is none of %s", text, strings.Join(s.Enum, ", "))
		}
		if s.Pattern != "" && !regexp.MustCompile("^(?:"+s.Pattern+")$").MatchString(text) {
			return fmt.Errorf("%q does not match %s", text, s.Pattern)
		}
		return s.within(int64(len(text)))
	case "integer", "long":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		return s.within(n)
	case "boolean":
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is no boolean", text)
		}
		return nil
	case "timestamp":
		_, err := time.Parse(time.RFC3339, text)
		return err
	}
	return fmt.Errorf("shape %q has the unknown type %q", name, s.Type)
}

func (s shape) within(n int64) error {
	if s.Min != nil && n < *s.Min || s.Max != nil && n > *s.Max {
		return fmt.Errorf("%d is outside the bounds of the description", n)
	}
	return nil
}
