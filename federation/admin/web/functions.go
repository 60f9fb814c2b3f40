package web

import (
	"html/template"
	"time"
)

// functions are those of the templates.
var functions = template.FuncMap{
	"places": func() []string { return places },
	"utc":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"rfc":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}
