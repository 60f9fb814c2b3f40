package membercheck

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/federation-dns/federation/federation/check"
)

// lasts is how long credentials have to be valid for.
const lasts = 30 * 24 * time.Hour

func token(ctx context.Context, e *check.Env) []check.Finding {
	return e.EachMember(ctx, func(ctx context.Context, m *check.Member) []check.Finding {
		config, err := m.SecretConfig(ctx)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		if end, what := expiry(config); !end.IsZero() && end.Before(e.Now().Add(lasts)) {
			verb := "ends"
			if end.Before(e.Now()) {
				verb = "has ended"
			}
			return check.One(check.Bad(m.Name, "%s %s on %s", what, verb, end.UTC().Format(time.DateOnly)))
		}
		c, err := m.SyncerClient(ctx)
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		review, err := c.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{},
			metav1.CreateOptions{})
		if err != nil {
			return check.One(check.Untested(m.Name, err))
		}
		switch who := review.Status.UserInfo; {
		case slices.Contains(who.Groups, "system:masters"):
			return check.One(check.Bad(m.Name, "the credentials are those of an administrator, %s, whom no rule bounds",
				who.Username))
		case !strings.HasPrefix(who.Username, "system:serviceaccount:"):
			return check.One(check.Bad(m.Name, "the credentials are those of the user %s, and not of a service account",
				who.Username))
		default:
			return check.One(check.Good(m.Name, "%s", who.Username))
		}
	})
}

// expiry returns when the credentials end, and what they are; zero if they do not end, or do not say so.
func expiry(c *rest.Config) (time.Time, string) {
	if block, _ := pem.Decode(c.CertData); block != nil && c.BearerToken == "" {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return cert.NotAfter, "the client certificate"
		}
	}
	parts := strings.Split(c.BearerToken, ".")
	if len(parts) != 3 { // no JSON Web Token
		return time.Time{}, ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, ""
	}
	var claims struct {
		Exp int64 `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Exp == 0 {
		return time.Time{}, ""
	}
	return time.Unix(claims.Exp, 0), "the token"
}
