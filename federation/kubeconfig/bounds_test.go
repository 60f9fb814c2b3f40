package kubeconfig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// answer is a transport that gives this body, in pieces.
func answer(contentType, body string, times int) http.RoundTripper {
	return roundTripper(func(*http.Request) (*http.Response, error) {
		var parts []io.Reader
		for range times {
			parts = append(parts, strings.NewReader(body))
		}
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {contentType}},
			Body: io.NopCloser(io.MultiReader(parts...)),
		}, nil
	})
}

// fetched reads the answer to a request for path, and returns its size and the error.
func fetched(ctx context.Context, t *testing.T, rt http.RoundTripper, path string) (int64, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://member.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := bounded(rt).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return io.Copy(io.Discard, res.Body)
}

func TestBounds(t *testing.T) {
	mib := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name, path, contentType, body string
		times                         int
		refused                       bool
	}{
		{"H3e a page of 64 MiB", "/a", "application/json", mib, 64, false},
		{"H3e a page of 65 MiB", "/a", "application/json", mib, 65, true},
		{"H3e an event of 65 MiB", "/a?watch=1", "application/json", `{"a": "` + mib, 65, true},
		{"H3e a watch of 150 MiB of events", "/a?watch=1", "application/json;stream=watch",
			`{"a": [{"b": "}\"{` + mib + `"}]}`, 150, false},
		{"H3e an event whose texts look like its end", "/a?watch=1", "application/json",
			`{"a": "}` + mib + `", `, 65, true},
		{"H3e an event with white space that has no end", "/a?watch=1", "application/json",
			strings.Repeat(" \n", 1<<20), 65, true},
		{"H3e a watch in frames is bounded by the frames", "/a?watch=1",
			"application/vnd.kubernetes.protobuf;stream=watch", mib, 100, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := fetched(t.Context(), t, answer(c.contentType, c.body, c.times), c.path)
			if (err != nil) != c.refused {
				t.Errorf("%d octets, error %v", n, err)
			}
			if c.refused && n > maxResponse {
				t.Errorf("%d octets were handed on", n)
			}
		})
	}
	t.Run("H3e a list has an end, however small its pages", func(t *testing.T) {
		var budget ListBudget
		budget.Reset()
		ctx := budget.Context(t.Context())
		pages := 0
		for ; pages < 100; pages++ {
			if _, err := fetched(ctx, t, answer("application/json", mib, 10), "/a"); err != nil {
				break
			}
		}
		equal(t, "pages of 10 MiB", pages, maxList/(10<<20))
	})
}

func TestEndlessServer(t *testing.T) {
	t.Run("H3e a member that answers without end is one that fails", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			rw.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(rw, `{"kind": "ServiceList", "apiVersion": "v1", "items": [{"metadata": {"name": "`)
			for part := []byte(strings.Repeat("x", 1<<20)); req.Context().Err() == nil; {
				if _, err := rw.Write(part); err != nil {
					return
				}
			}
		}))
		defer server.Close()
		client, err := NewHTTPClient(&rest.Config{Host: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/api/v1/services", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil || !strings.Contains(err.Error(), "more than 64 MiB") || n > maxResponse {
			t.Errorf("%d octets, error %v", n, err)
		}
	})
}
