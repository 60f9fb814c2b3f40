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
)

const (
	tokenPath = "/token"
	ofProject = "@" + Project + ".iam.gserviceaccount.com"
	scope     = "https://www.googleapis.com/auth/ndev.clouddns.readwrite"
)

// Account is the service account of Credentials.
const Account = "federation-syncer" + ofProject

// grant is a token that was given out.
type grant struct {
	account string
	good    bool
}

// key is that of all service accounts.
var key = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// Credentials returns the key file of Account, as application default credentials
// have it.
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

// RevokeTokens has all tokens refused that were given out.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text, t := range s.tokens {
		t.good = false
		s.tokens[text] = t
	}
}

// Tokens is how many were given out.
func (s *Server) Tokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens)
}

// serveToken gives out a token for a signed assertion (RFC 7523).
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request, body []byte) {
	takes, broken, denied := s.tokenFault()
	if !sleep(r, takes) {
		return
	}
	if broken {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
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
	_ = json.NewEncoder(w).Encode(answer) // the client asks again
}

func (s *Server) newToken(account string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := "ya29." + rand.Text()
	s.tokens[t] = grant{account, true}
	return t
}

// accountOf is whose token the request has.
func (s *Server) accountOf(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")].account
}

// claims are those of an assertion that an account has signed.
type claims struct {
	Issuer   string `json:"iss"`
	Scope    string `json:"scope"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
}

// asserted returns the account of an assertion, or says what is wrong with it.
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

// signed returns the claims of a token (RFC 7519) that an account has signed
// and that has not expired.
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

// unknown is the error of a request without a good token, nil if it has one.
func (s *Server) unknown(r *http.Request) *apiError {
	t, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	good := s.tokens[t].good
	s.mu.Unlock()
	switch {
	case !isBearer:
		return failed(http.StatusUnauthorized, "required", "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.")
	case !good:
		return failed(http.StatusUnauthorized, "authError", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.")
	}
	return nil
}
