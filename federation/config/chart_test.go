package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestChartSchema checks what the chart's schema says of the value config: it has the fields of the file, and no other,
// so that helm refuses a misspelt one before anything changes. -update regenerates it.
func TestChartSchema(t *testing.T) {
	const path = "../../charts/federation-syncer/values.schema.json"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	comments := fieldComments(t, fieldFiles...)
	schema["definitions"].(map[string]any)["config"] = schemaOf(reflect.TypeFor[file](), comments)
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(schema); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(text), want.String()); d != "" {
		t.Errorf("%s does not match the code (-got +want; update it by go test ./federation/config -update):\n%s",
			path, d)
	}
}

// schemaOf returns the JSON schema of a type of the file.
func schemaOf(typ reflect.Type, comments map[string]string) map[string]any {
	switch typ.Kind() {
	case reflect.Pointer:
		return schemaOf(typ.Elem(), comments)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(typ.Elem(), comments)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(typ.Elem(), comments)}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Struct:
		fields := map[string]any{}
		for i := range typ.NumField() {
			field := typ.Field(i)
			of := schemaOf(field.Type, comments)
			if field.Anonymous { // its fields are those of the file
				maps.Copy(fields, of["properties"].(map[string]any))
				continue
			}
			if about := comments[typ.Name()+"."+field.Name]; about != "" {
				of["description"] = about
			}
			fields[field.Tag.Get("yaml")] = of
		}
		return map[string]any{"type": "object", "additionalProperties": false, "properties": fields}
	default:
		return map[string]any{"type": "string"}
	}
}
