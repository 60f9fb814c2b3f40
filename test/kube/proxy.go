package kube

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	"k8s.io/client-go/rest"
)

// Proxy returns what passes requests on to the API server at a URL, as a client with that configuration reaches it, but
// without its credentials: who asks has some. Watches come through as they are answered. Where the API server does not
// answer, the connection ends without an answer.
func Proxy(server string, config *rest.Config) (*httputil.ReverseProxy, error) {
	target, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	anonymous := rest.AnonymousClientConfig(config)
	anonymous.Timeout = 0 // it would end watches
	transport, err := rest.TransportFor(anonymous)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}, nil
}

// CertificateOf returns the certificate of a TLS server, in PEM, for those who are to trust it.
func CertificateOf(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}
