package kubeconfig

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

// secretKubeconfig returns a kubeconfig with more fields in its cluster and its user.
func secretKubeconfig(cluster, user string) []byte {
	return []byte(fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "https://192.0.2.1:6443", certificate-authority-data: Y2E=%s}}],
users: [{name: u, user: {token: s3cret%s}}, {name: other, user: {exec: {command: /bin/sh}}}]}`, cluster, user))
}

func TestParse(t *testing.T) {
	t.Run("K2 what a kubeconfig in a Secret says", func(t *testing.T) {
		c, err := Parse(secretKubeconfig("", ""))
		if err != nil || c.Host != "https://192.0.2.1:6443" || c.BearerToken != "s3cret" || string(c.CAData) != "ca" {
			t.Errorf("%v, error %v", c, err)
		}
	})
	refused := map[string]struct{ cluster, user, want string }{
		"exec": {want: "the field exec is refused",
			user: ", exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, interactiveMode: Never}"},
		"auth-provider":            {user: ", auth-provider: {name: gcp}", want: "auth-provider is refused"},
		"tokenFile":                {user: ", tokenFile: /etc/shadow", want: "tokenFile is refused"},
		"client-certificate":       {user: ", client-certificate: /etc/shadow", want: "use client-certificate-data"},
		"client-key":               {user: ", client-key: /etc/shadow", want: "use client-key-data"},
		"certificate-authority":    {cluster: ", certificate-authority: /ca", want: "use certificate-authority-data"},
		"proxy-url":                {cluster: ", proxy-url: http://192.0.2.2", want: "proxy-url is refused"},
		"as":                       {user: ", as: admin", want: "the field as is refused"},
		"as-uid":                   {user: ", as-uid: s3cret", want: "as-uid is refused"},
		"as-groups":                {user: ", as-groups: [system:masters]", want: "as-groups is refused"},
		"as-user-extra":            {user: ", as-user-extra: {a: [b]}", want: "as-user-extra is refused"},
		"insecure-skip-tls-verify": {cluster: ", insecure-skip-tls-verify: true", want: "anyone could answer"},
	}
	for name, tt := range refused {
		t.Run("K2 refused by name: "+name, func(t *testing.T) {
			checkRefused(t, secretKubeconfig(tt.cluster, tt.user), tt.want)
		})
	}
	good := string(secretKubeconfig("", ""))
	for name, tt := range map[string]struct{ text, want string }{
		"empty":            {" \n", "the kubeconfig is empty"},
		"no YAML":          {"token: [s3cret", "cannot be parsed"},
		"no context":       {strings.Replace(good, "current-context: c,", "", 1), "has no current-context"},
		"another context":  {strings.Replace(good, "current-context: c", "current-context: d", 1), "no context of the"},
		"no user":          {strings.Replace(good, "user: u}", "user: v}", 1), "the cluster or the user"},
		"plain HTTP":       {strings.Replace(good, "https://", "http://", 1), "must begin with https://"},
		"no server at all": {strings.Replace(good, "https://192.0.2.1:6443", "", 1), "must begin with https://"},
	} {
		t.Run("K2 unusable: "+name, func(t *testing.T) { checkRefused(t, []byte(tt.text), tt.want) })
	}
}

func checkRefused(t *testing.T, data []byte, want string) {
	t.Helper()
	c, err := Parse(data)
	if c != nil || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, error %v; want %q", c, err, want)
	}
	if err != nil && strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error has a credential: %v", err)
	}
}

func TestSecretFollower(t *testing.T) {
	key := SecretKey{"member-a", "kubeconfig"}
	good, rotated := secretKubeconfig("", ""), secretKubeconfig("", "-2")
	var s Secrets
	f := &SecretFollower{Secrets: &s, Key: key}
	next := func(want string, wantErr error) {
		t.Helper()
		c, err := f.Next()
		switch {
		case wantErr != nil && !errors.Is(err, wantErr) || wantErr == nil && err != nil && want != "refused":
			t.Fatalf("error %v, want %v", err, wantErr)
		case want == "refused" && err == nil, (want == "" || want == "refused") != (c == nil):
			t.Fatalf("%v, error %v, want %q", c, err, want)
		case c != nil && c.BearerToken != want:
			t.Fatalf("token %q, want %q", c.BearerToken, want)
		}
	}
	t.Run("K2 a kubeconfig is returned once, and again when it has changed", func(t *testing.T) {
		changed := f.Changed()
		next("", ErrNoKubeconfig)
		s.Set(key, "1", good, nil)
		<-changed
		next("s3cret", nil)
		next("", nil)
		s.Set(key, "1", good, nil)
		next("", nil)
		s.Set(key, "1", rotated, nil)
		next("s3cret-2", nil)
	})
	t.Run("K2 a broken one is an error until it is good again, and then nothing has changed", func(t *testing.T) {
		s.Set(key, "1", []byte("broken"), nil)
		next("refused", nil)
		err := s.Check(key)
		if err == nil || !strings.Contains(err.Error(), `the Secret "member-a", key "kubeconfig"`) {
			t.Errorf("error %v", err)
		}
		s.Set(key, "1", rotated, nil)
		next("", nil)
		f.Retry()
		next("s3cret-2", nil)
	})
	t.Run("K2 a Secret that is gone", func(t *testing.T) {
		s.Set(key, "1", nil, fmt.Errorf("%w: it does not exist", ErrNoKubeconfig))
		next("", ErrNoKubeconfig)
		s.Retain(nil)
		next("", ErrNoKubeconfig)
	})
	t.Run("K2 another Secret wakes nobody", func(t *testing.T) {
		changed := f.Changed()
		s.Set(SecretKey{"member-b", "kubeconfig"}, "1", good, nil)
		select {
		case <-changed:
			t.Error("it has changed")
		default:
		}
	})
}

// TestInUse has a member accept and refuse clients that a SecretFollower gave.
func TestInUse(t *testing.T) {
	key := SecretKey{"member-a", "kubeconfig"}
	good, rotated := secretKubeconfig("", ""), secretKubeconfig("", "-2")
	var s Secrets
	f := &SecretFollower{Secrets: &s, Key: key}
	client := func() http.RoundTripper {
		t.Helper()
		c, err := f.Next()
		if err != nil || c == nil {
			t.Fatalf("%v, error %v", c, err)
		}
		return c.WrapTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
			if err != nil {
				return nil, err
			}
			return &http.Response{StatusCode: status, Body: http.NoBody}, nil
		}))
	}
	ask := func(c http.RoundTripper, answer string) {
		res, err := c.RoundTrip(httptest.NewRequest(http.MethodGet, "/"+answer, nil))
		if err == nil {
			res.Body.Close()
		}
	}
	want := func(t *testing.T, version string) {
		t.Helper()
		if have := s.InUse(key); have != version {
			t.Errorf("in use is version %q, want %q", have, version)
		}
	}
	s.Set(key, "1", good, nil)
	first := client()
	for _, answer := range []string{"none", "401", "403", "500"} {
		t.Run("J3 a kubeconfig that the member has not accepted is not in use: "+answer, func(t *testing.T) {
			ask(first, answer)
			want(t, "")
		})
	}
	t.Run("J3 a version is in use once the member has accepted its kubeconfig", func(t *testing.T) {
		ask(first, "200")
		want(t, "1")
	})
	t.Run("J3 another version with the same kubeconfig is in use at once", func(t *testing.T) {
		s.Set(key, "2", good, nil)
		want(t, "2")
	})
	var second http.RoundTripper
	t.Run("J3 an answer to the client from before says nothing of the new kubeconfig", func(t *testing.T) {
		s.Set(key, "3", rotated, nil)
		ask(first, "200")
		want(t, "2")
		second = client()
		ask(first, "200")
		want(t, "2")
		ask(second, "200")
		want(t, "3")
	})
	t.Run("K2 a broken version is never in use; what was before stays", func(t *testing.T) {
		s.Set(key, "4", []byte("broken"), nil)
		ask(first, "200")
		want(t, "3")
		s.Set(key, "", nil, ErrNoKubeconfig)
		ask(first, "200")
		want(t, "3")
	})
	t.Run("J3 the kubeconfig in use comes back in another version", func(t *testing.T) {
		s.Set(key, "5", rotated, nil)
		want(t, "3")
		ask(first, "200")
		want(t, "3")
		ask(second, "200")
		want(t, "5")
	})
	t.Run("K2 a Secret that no member has is forgotten", func(t *testing.T) {
		s.Retain(nil)
		want(t, "")
	})
}
