package route53

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

type assumeRoleResponse struct {
	XMLName     xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Key         string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret      string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token       string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration  string   `xml:"AssumeRoleResult>Credentials>Expiration"`
	RoleID      string   `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	RoleARN     string   `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	RequestName string   `xml:"ResponseMetadata>RequestId"`
}

type stsError struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
	ID      string   `xml:"RequestId"`
}

// RoleKey is the access key of assumed roles.
const RoleKey = "ASIAROLE000000000000"

// Role is one that was assumed.
type Role struct {
	ARN, ExternalID, Session string
	// Key is the access key that has signed the request.
	Key string
}

// Roles returns the roles that were assumed, oldest first.
func (s *Server) Roles() []Role {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.roles)
}

// serveSTS answers a request to STS, which is for a role.
func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request, body []byte) bool {
	if r.URL.Path != "/" {
		return false
	}
	form, err := url.ParseQuery(string(body))
	status, answer := http.StatusOK, any(nil)
	switch {
	case err != nil || form.Get("Action") != "AssumeRole":
		message := fmt.Sprintf("%s %q is not in the fake", r.Method, form.Get("Action"))
		status, answer = http.StatusBadRequest, stsError{Type: "Sender", Code: "InvalidAction", Message: message}
	case s.authFaults().DenyRole:
		message := "User is not authorized to perform: sts:AssumeRole on resource: " + form.Get("RoleArn")
		status, answer = http.StatusForbidden, stsError{Type: "Sender", Code: "AccessDenied", Message: message}
	default:
		role := Role{
			ARN: form.Get("RoleArn"), ExternalID: form.Get("ExternalId"), Session: form.Get("RoleSessionName"),
			Key: accessKey(r),
		}
		s.mu.Lock()
		s.roles = append(s.roles, role)
		s.mu.Unlock()
		answer = assumeRoleResponse{
			Key: RoleKey, Secret: "a secret of the role", Token: "a token of the role",
			Expiration: timestamp(time.Now().Add(time.Hour)),
			RoleID:     "AROA:" + role.Session, RoleARN: role.ARN, RequestName: "sts",
		}
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(answer) // the client retries
	return true
}
