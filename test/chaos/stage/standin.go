package stage

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"time"
)

// standIns are servers that answer the syncers in place of an API server, all
// with a certificate that signs itself.
type standIns struct {
	certificate []byte
	endless     *httptest.Server // whose answers go on for as long as somebody reads them
	throttled   *httptest.Server // which has no time for anybody, as priority and fairness has it
}

// How fast an answer comes: within the time that such a fault lasts, it is many
// times as long as any that may be read to its end.
const (
	pieceSize  = 1 << 20
	pieceEvery = 20 * time.Millisecond
)

func startStandIns() (*standIns, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stand-in"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	start := func(serve http.HandlerFunc) *httptest.Server {
		s := httptest.NewUnstartedServer(serve)
		s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}
		s.EnableHTTP2 = true
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients go away in the middle
		s.StartTLS()
		return s
	}
	return &standIns{certificate, start(serveEndless), start(serveThrottled)}, nil
}

func (s *standIns) close() {
	for _, one := range []*httptest.Server{s.endless, s.throttled} {
		one.CloseClientConnections()
		one.Close()
	}
}

func addrOf(s *httptest.Server) string { return s.Listener.Addr().String() }

// serveThrottled answers as an API server that has no seat for the account.
func serveThrottled(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusTooManyRequests)
	fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Too many requests, `+
		`please try again later.",`+
		`"reason":"TooManyRequests","details":{"retryAfterSeconds":1},"code":429}`)
}

// serveEndless answers with a list of Services that has no end.
func serveEndless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[`)
	tick := time.NewTicker(pieceEvery)
	defer tick.Stop()
	for n := 0; ; {
		piece := make([]byte, 0, pieceSize+200)
		for ; len(piece) < pieceSize; n++ {
			piece = fmt.Appendf(piece,
				`{"metadata":{"name":"s%d","namespace":"mynamespace",`+
					`"labels":{"federation-dns.io/federation":"fedone"}}},`, n)
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
