package clouddns

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/federation-dns/federation/test/fakecloud"
)

const (
	tokenPath = "/token"
	ofProject = "@" + Project + ".iam.gserviceaccount.com"
	scope     = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"
)

// Account is the service account of Credentials.
const Account = "federation-syncer" + ofProject

// token is one that was issued.
type token struct {
	account string
	valid   bool
}

// TokenFaults are what goes wrong with tokens. The zero value is nothing.
type TokenFaults struct {
	// Deny: no token is issued.
	Deny bool
	// Takes is how long it takes to issue one. With Late, only so many take that long.
	Takes time.Duration
	Late  int
	// Broken is how many requests for a token fail.
	Broken int
}

// SetTokenFaults replaces the faults.
func (s *Server) SetTokenFaults(f TokenFaults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenFaults = f
}

// nextTokenFault decides about a request for a token, and counts it.
func (s *Server) nextTokenFault() (takes time.Duration, broken, denied bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.tokenFaults
	takes = f.Takes
	if f.Late > 0 {
		if f.Late--; f.Late == 0 {
			f.Takes = 0
		}
	}
	if broken = f.Broken > 0; broken {
		f.Broken--
	}
	return takes, broken, f.Deny
}

// key is shared by all service accounts.
var key = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// Credentials returns the key file of Account, for the application default credentials.
func (s *Server) Credentials() ([]byte, error) { return s.CredentialsOf(Account) }

// CredentialsOf returns the key file of a service account of the project.
func (s *Server) CredentialsOf(account string) ([]byte, error) {
	private, err := key()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]string{
		"type": "service_account", "project_id": Project, "private_key_id": "1",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": account, "client_id": "1", "token_uri": s.URL + tokenPath,
	})
}

// RevokeTokens revokes all tokens that were issued.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text, t := range s.tokens {
		t.valid = false
		s.tokens[text] = t
	}
}

// Tokens is how many were issued.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens)
}

// serveToken answers a request to the token endpoint, with a token for a signed assertion (RFC 7523).
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request, body []byte) bool {
	if r.URL.Path != tokenPath {
		return false
	}
	takes, broken, denied := s.nextTokenFault()
	if !fakecloud.Sleep(r, takes) {
		return true
	}
	if broken {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	form, err := url.ParseQuery(string(body))
	account := ""
	if err == nil {
		account, err = asserted(form.Get("grant_type"), form.Get("assertion"), s.URL+tokenPath)
	}
	if denied {
		err = errors.New("Invalid JWT Signature.") //nolint:revive,staticcheck // as Google has it
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	answer := map[string]any{}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		answer["error"], answer["error_description"] = "invalid_grant", err.Error()
	} else {
		answer["access_token"], answer["token_type"], answer["expires_in"] = s.newToken(account), "Bearer", 3599
	}
	_ = json.NewEncoder(w).Encode(answer) // the client retries
	return true
}

func (s *Server) newToken(account string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := "ya29." + rand.Text()
	s.tokens[t] = token{account, true}
	return t
}

// accountOf is the service account of the request's token, "" for none.
func (s *Server) accountOf(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")].account
}

// claims of an assertion that an account has signed.
type claims struct {
	Issuer   string `json:"iss"`
	Scope    string `json:"scope"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
}

// asserted returns the account of an assertion that is valid.
func asserted(grant, assertion, audience string) (account string, err error) {
	c, err := signed(assertion)
	switch {
	case err != nil:
		return "", err
	case grant != "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return "", fmt.Errorf("grant_type %q", grant)
	case !slices.Contains(strings.Fields(c.Scope), scope) || c.Audience != audience:
		return "", fmt.Errorf("scope %q, audience %q", c.Scope, c.Audience)
	}
	return c.Issuer, nil
}

// signed returns the claims of a token (RFC 7519) that an account has signed and that has not expired.
func signed(token string) (c claims, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, errors.New("no assertion")
	}
	private, err := key()
	if err != nil {
		return c, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return c, err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		return c, err
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, err
	}
	if !strings.HasSuffix(c.Issuer, ofProject) || time.Now().Unix() > c.Expires {
		return c, fmt.Errorf("issuer %q, expires at %d", c.Issuer, c.Expires)
	}
	return c, nil
}

// checkToken returns the error of a request without a valid token, nil if it has one.
func (s *Server) checkToken(r *http.Request) *fakecloud.Error {
	text, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	valid := s.tokens[text].valid
	s.mu.Unlock()
	const want = "Expected OAuth 2 access token, login cookie or other valid authentication credential."
	switch {
	case !isBearer:
		return fakecloud.Errorf(http.StatusUnauthorized, "required",
			"Request is missing required authentication credential. %s", want)
	case !valid:
		return fakecloud.Errorf(http.StatusUnauthorized, "authError",
			"Request had invalid authentication credentials. %s", want)
	}
	return nil
}
