package clouddns

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/federation-dns/federation/test/fakecloud"
)

// Model is Google's machine-readable description of the API.
type Model struct {
	Parameters map[string]schema
	Schemas    map[string]schema
	Resources  map[string]struct{ Methods map[string]method }
}

type method struct {
	HTTPMethod string
	FlatPath   string
	Parameters map[string]schema
	Request    schema
	Response   schema
}

type schema struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Format               string
	Enum                 []string
	Pattern              string
	Location             string
	Required             bool
	Properties           map[string]schema
	Items                *schema
	AdditionalProperties *schema
}

// LoadModel reads the description that the SDK was made from: it is a file of the SDK's module.
func LoadModel() (*Model, error) {
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api")
	var said bytes.Buffer
	list.Stderr = &said
	dir, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w: %s", list.Args, err, &said)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "dns", "v1", "dns-api.json"))
	if err != nil {
		return nil, err
	}
	m := &Model{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("dns-api.json: %w", err)
	}
	return m, nil
}

// Check says how a request or its answer differs from the description.
func (m *Model) Check(e fakecloud.Exchange) error {
	resource, name, _ := strings.Cut(e.Action, ".")
	op, there := m.Resources[resource].Methods[name]
	if !there {
		return fmt.Errorf("%s %s is no method of Cloud DNS", e.Method, e.URL.Path)
	}
	if err := m.checkRequest(op, e); err != nil {
		return fmt.Errorf("request %s: %w", e.Action, err)
	}
	if err := m.checkAnswer(op, e); err != nil {
		return fmt.Errorf("answer to %s: %w", e.Action, err)
	}
	return nil
}

func (m *Model) checkRequest(op method, e fakecloud.Exchange) error {
	if e.Method != op.HTTPMethod || !matches(op.FlatPath, e.URL.Path) {
		return fmt.Errorf("%s %s, want %s /%s", e.Method, e.URL.Path, op.HTTPMethod, op.FlatPath)
	}
	if err := m.checkQuery(op, e.URL.Query()); err != nil {
		return err
	}
	if op.Request.Ref == "" {
		if len(e.Body) > 0 {
			return fmt.Errorf("a body of %d octets, want none", len(e.Body))
		}
		return nil
	}
	return m.document(op.Request, e.Body)
}

func (m *Model) checkQuery(op method, query url.Values) error {
	for name, values := range query {
		s, known := op.Parameters[name]
		if !known || s.Location != "query" {
			s, known = m.Parameters[name]
		}
		if !known {
			return fmt.Errorf("unknown query parameter %q", name)
		}
		for _, v := range values {
			if err := s.parameter(v); err != nil {
				return fmt.Errorf("query parameter %q: %w", name, err)
			}
		}
	}
	for name, s := range op.Parameters {
		if s.Required && s.Location == "query" && !query.Has(name) {
			return fmt.Errorf("no query parameter %q", name)
		}
	}
	return nil
}

// matches reports whether the path is one of the pattern's. No part of it may be empty.
func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(strings.TrimPrefix(path, "/"), "/")
	return slices.EqualFunc(want, got, func(want, got string) bool {
		return want == got || strings.HasPrefix(want, "{") && got != ""
	})
}

// checkAnswer checks the answer. The description has nothing about errors: they have the form that all of Google's JSON
// APIs give them.
func (m *Model) checkAnswer(op method, e fakecloud.Exchange) error {
	if e.Status == http.StatusOK {
		return m.document(op.Response, e.Answer)
	}
	var failed jsonError
	strict := json.NewDecoder(bytes.NewReader(e.Answer))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&failed); err != nil {
		return err
	}
	if failed.Error.Code != e.Status || e.Status < 400 || failed.Error.Message == "" || len(failed.Error.Errors) == 0 {
		return fmt.Errorf("status %d with %s", e.Status, e.Answer)
	}
	for _, item := range failed.Error.Errors {
		if item.Message == "" || item.Reason == "" || item.Domain == "" {
			return fmt.Errorf("status %d with %s", e.Status, e.Answer)
		}
	}
	return nil
}

func (m *Model) document(s schema, text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return err
	}
	return m.value(s, v)
}

// value checks a value against its schema.
func (m *Model) value(s schema, v any) error {
	if s.Ref != "" {
		s = m.Schemas[s.Ref]
	}
	switch v := v.(type) {
	case map[string]any:
		return m.object(s, v)
	case []any:
		if s.Type != "array" || s.Items == nil {
			return fmt.Errorf("an array, want %s", s.Type)
		}
		for i, one := range v {
			if err := m.value(*s.Items, one); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return nil
	case string:
		if s.Type != "string" {
			return fmt.Errorf("%q, want %s", v, s.Type)
		}
		return s.text(v)
	case json.Number:
		if s.Type != "integer" && s.Type != "number" {
			return fmt.Errorf("%s, want %s", v, s.Type)
		}
		return s.number(v.String())
	case bool:
		if s.Type != "boolean" {
			return fmt.Errorf("%v, want %s", v, s.Type)
		}
		return nil
	}
	return fmt.Errorf("%v, want %s", v, s.Type)
}

func (m *Model) object(s schema, v map[string]any) error {
	if s.Type != "object" {
		return fmt.Errorf("an object, want %s", s.Type)
	}
	for name, one := range v {
		of, known := s.Properties[name]
		if !known && s.AdditionalProperties != nil {
			of, known = *s.AdditionalProperties, true
		}
		if !known {
			return fmt.Errorf("unknown property %q", name)
		}
		if err := m.value(of, one); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// parameter checks the text of a query parameter.
func (s schema) parameter(v string) error {
	switch s.Type {
	case "integer":
		return s.number(v)
	case "boolean":
		_, err := strconv.ParseBool(v)
		return err
	}
	return s.text(v)
}

func (s schema) text(v string) error {
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%q is none of %s", v, strings.Join(s.Enum, ", "))
	}
	switch s.Format {
	case "uint64":
		_, err := strconv.ParseUint(v, 10, 64)
		return err
	case "date-time", "google-datetime":
		_, err := time.Parse(time.RFC3339, v)
		return err
	}
	return nil
}

func (s schema) number(v string) error {
	bits := 64
	if s.Format == "int32" {
		bits = 32
	}
	if s.Format == "double" || s.Format == "float" {
		_, err := strconv.ParseFloat(v, bits)
		return err
	}
	_, err := strconv.ParseInt(v, 10, bits)
	return err
}
