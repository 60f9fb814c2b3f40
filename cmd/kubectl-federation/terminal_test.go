package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func now() time.Time { return start }

func TestColor(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		name          string
		out           *os.File
		noColor, term string
		want          bool
	}{
		{"V2 colours on a terminal", terminal, "", "xterm", true},
		{"V2 no colours in a file", file, "", "xterm", false},
		{"V2 no colours with NO_COLOR", terminal, "1", "xterm", false},
		{"V2 no colours on a dumb terminal", terminal, "", "dumb", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", c.noColor)
			t.Setenv("TERM", c.term)
			socket := serve(t, &fakeSyncer{status: testStatus})
			o := &options{now: now}
			if got := o.display(c.out).Color; got != c.want {
				t.Errorf("colours %t, want %t", got, c.want)
			}
			if c.out != file {
				return
			}
			cmd := rootCommand("kubectl federation", now)
			cmd.SetArgs([]string{"clusters", "--socket", socket})
			cmd.SetOut(file)
			if err := cmd.Execute(); exitCode(err) != exitBad { // a member is away
				t.Fatal(err)
			}
			if text, err := os.ReadFile(file.Name()); err != nil || strings.Contains(string(text), "\x1b") {
				t.Errorf("%v %q", err, text)
			}
		})
	}
}

func TestCompletion(t *testing.T) {
	socket := serve(t, &fakeSyncer{status: testStatus})
	for _, c := range []struct{ name, args, want string }{
		{"V7 members", "drain gce-", "gce-asia-east1 gce-europe-west1 gce-us-central1"},
		{"V7 one member only", "drain gce-us-central1 gce-", ""},
		{"V6 services", "explain n", "nginx.mynamespace.myfederation"},
		{"V6 the member of a pod", "explain nginx.mynamespace.myfederation --from on", "onprem-fra"},
		{"V2 outputs", "clusters -o ", "json yaml wide"},
		{"V2 verbs", "unc", "uncordon"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"__completeNoDesc", "--socket", socket}, strings.Split(c.args, " ")...)
			out, _, err := run(t.Context(), "", args...)
			lines := strings.Fields(out)
			if err != nil || len(lines) == 0 {
				t.Fatalf("%v %q", err, out)
			}
			if got := strings.Join(lines[:len(lines)-1], " "); got != c.want { // the last is a directive
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
