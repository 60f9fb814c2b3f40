package route53

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
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

// serveSTS lends a role.
func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	faults := s.currentFaults()
	status, answer := http.StatusOK, any(nil)
	switch {
	case err != nil || form.Get("Action") != "AssumeRole":
		status, answer = http.StatusBadRequest, stsError{Type: "Sender", Code: "InvalidAction", Message: fmt.Sprintf("%s %q is not in the stand-in", r.Method, form.Get("Action"))}
	case faults.DenyRole:
		status, answer = http.StatusForbidden, stsError{Type: "Sender", Code: "AccessDenied", Message: "User is not authorized to perform: sts:AssumeRole on resource: " + form.Get("RoleArn")}
	default:
		s.mu.Lock()
		s.roles = append(s.roles, Role{ARN: form.Get("RoleArn"), ExternalID: form.Get("ExternalId"), Session: form.Get("RoleSessionName"), Key: accessKey(r)})
		s.mu.Unlock()
		answer = assumeRoleResponse{Key: RoleKey, Secret: "a secret of the role", Token: "a token of the role", Expiration: timestamp(time.Now().Add(time.Hour)), RoleID: "AROA:" + form.Get("RoleSessionName"), RoleARN: form.Get("RoleArn"), RequestName: "sts"}
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(answer) // the client asks again
}
