package route53

import (
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/federation-dns/federation/test/fakecloud"
)

// ModelPath is where Debian's package python3-botocore has AWS's own description of the API; it may have ".gz" behind
// it.
const ModelPath = "/usr/lib/python3/dist-packages/botocore/data/route53/2013-04-01/service-2.json"

// Model is AWS's machine-readable description of the API.
type Model struct {
	Operations map[string]operation
	Shapes     map[string]shape
}

type operation struct {
	HTTP struct {
		Method     string
		RequestURI string `json:"requestUri"`
	}
	Input  member
	Output member
	Errors []member
}

type member struct {
	Shape        string
	Location     string
	LocationName string `json:"locationName"`
	Namespace    struct {
		URI string `json:"uri"`
	} `json:"xmlNamespace"`
}

type shape struct {
	Type     string
	Required []string
	Members  map[string]member
	Member   member
	Enum     []string
	Min, Max *int64
	Pattern  string
	Error    struct {
		Status int `json:"httpStatusCode"`
	}
}

// LoadModel reads the description.
func LoadModel() (*Model, error) {
	f, err := os.Open(ModelPath)
	var in io.Reader = f
	if errors.Is(err, fs.ErrNotExist) {
		if f, err = os.Open(ModelPath + ".gz"); err == nil {
			in, err = gzip.NewReader(f)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: install AWS's description of the API by: apt-get install python3-botocore", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := &Model{}
	if err := json.NewDecoder(in).Decode(m); err != nil {
		return nil, fmt.Errorf("%s: %w", ModelPath, err)
	}
	return m, nil
}

// common are errors that any operation of AWS may have; the model does not list them.
var common = map[string]int{
	"AccessDenied": 403, "ExpiredToken": 403, "InvalidClientTokenId": 403, "MissingAuthenticationToken": 403,
	"SignatureDoesNotMatch": 403, "RequestExpired": 400, "Throttling": 400,
	"InternalFailure": 500, "ServiceUnavailable": 503,
}

// Check says how a request or its answer differs from the description.
func (m *Model) Check(e fakecloud.Exchange) error {
	op, there := m.Operations[e.Action]
	if !there {
		return fmt.Errorf("%s %s is no operation of Route 53", e.Method, e.URL.Path)
	}
	if err := m.checkRequest(op, e); err != nil {
		return fmt.Errorf("request %s: %w", e.Action, err)
	}
	if err := m.checkAnswer(op, e); err != nil {
		return fmt.Errorf("answer to %s: %w", e.Action, err)
	}
	return nil
}

func (m *Model) checkRequest(op operation, e fakecloud.Exchange) error {
	input := m.Shapes[op.Input.Shape]
	ids, err := pathParts(op.HTTP.RequestURI, e.URL.Path)
	if err != nil || op.HTTP.Method != e.Method {
		return fmt.Errorf("%s %s, want %s %s", e.Method, e.URL.Path, op.HTTP.Method, op.HTTP.RequestURI)
	}
	known := map[string]bool{}
	for name, in := range input.Members {
		switch in.Location {
		case "uri":
			if err := m.scalar(in.Shape, ids[in.LocationName]); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		case "querystring":
			known[in.LocationName] = true
			if values, set := e.URL.Query()[in.LocationName]; set {
				if err := m.scalar(in.Shape, values[0]); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	for name := range e.URL.Query() {
		if !known[name] {
			return fmt.Errorf("unknown query parameter %q", name)
		}
	}
	if op.Input.LocationName == "" {
		if len(e.Body) > 0 {
			return fmt.Errorf("a body of %d octets, want none", len(e.Body))
		}
		return nil
	}
	root, err := parse(e.Body)
	if err != nil {
		return err
	}
	if want := (xml.Name{Space: op.Input.Namespace.URI, Local: op.Input.LocationName}); root.XMLName != want {
		return fmt.Errorf("the body is %v, want %v", root.XMLName, want)
	}
	return m.structure(op.Input.Shape, root, root.XMLName.Space)
}

func (m *Model) checkAnswer(op operation, e fakecloud.Exchange) error {
	root, err := parse(e.Answer)
	if err != nil {
		return err
	}
	if root.XMLName.Space != namespace {
		return fmt.Errorf("namespace %q, want %q", root.XMLName.Space, namespace)
	}
	if e.Status == 200 {
		if want := op.Output.Shape; root.XMLName.Local != want {
			return fmt.Errorf("%s, want %s", root.XMLName.Local, want)
		}
		return m.structure(op.Output.Shape, root, namespace)
	}
	failed := root.child("Error")
	if root.XMLName.Local != "ErrorResponse" || failed == nil || failed.child("Code") == nil ||
		failed.child("Message") == nil || root.child("RequestId") == nil {
		return fmt.Errorf("status %d with %q", e.Status, e.Answer)
	}
	code := strings.TrimSpace(failed.child("Code").Text)
	want, there := common[code]
	for _, in := range op.Errors {
		if in.Shape == code {
			there, want = true, max(400, m.Shapes[code].Error.Status)
		}
	}
	if !there || e.Status != want {
		return fmt.Errorf("status %d with code %q, the description has %d", e.Status, code, want)
	}
	return nil
}

// pathParts returns the values in the path of the {parts} of the pattern.
func pathParts(pattern, path string) (map[string]string, error) {
	want, got := strings.Split(strings.Trim(pattern, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	if len(want) != len(got) {
		return nil, errors.New("another path")
	}
	out := map[string]string{}
	for i, part := range want {
		if strings.HasPrefix(part, "{") {
			out[strings.Trim(part, "{}")] = got[i]
		} else if part != got[i] {
			return nil, errors.New("another path")
		}
	}
	return out, nil
}
