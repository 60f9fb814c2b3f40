package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writePKI makes the certificates, keys, the token and the kubeconfigs of the cluster; those of an earlier run are
// kept.
func writePKI(o options) error {
	if _, err := os.Stat(o.file("kubeconfig")); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(o.file("pki"), 0o700); err != nil {
		return err
	}
	ca, err := newCertificate(&x509.Certificate{
		Subject: pkix.Name{CommonName: "testcluster-ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil)
	if err != nil {
		return err
	}
	serving, err := newCertificate(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.ParseIP(o.addr), net.IPv4(127, 0, 0, 1), o.serviceCIDRs[0].Addr().Next().AsSlice()},
		DNSNames: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local"},
	}, ca)
	if err != nil {
		return err
	}
	admin, err := newCertificate(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca)
	if err != nil {
		return err
	}
	accounts, err := newCertificate(&x509.Certificate{Subject: pkix.Name{CommonName: "service-accounts"}}, ca)
	if err != nil {
		return err
	}
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	token := hex.EncodeToString(random)
	for name, data := range map[string][]byte{
		"ca.crt": ca.certPEM, "ca.key": ca.keyPEM, "serving.crt": serving.certPEM, "serving.key": serving.keyPEM,
		"sa.key": accounts.keyPEM, "sa.pub": accounts.publicPEM,
		"tokens.csv": []byte(token + `,admin,admin,"system:masters"` + "\n"),
	} {
		if err := os.WriteFile(o.file("pki", name), data, 0o600); err != nil {
			return err
		}
	}
	if err := writeKubeconfig(o, "token.kubeconfig", ca, &clientcmdapi.AuthInfo{Token: token}); err != nil {
		return err
	}
	return writeKubeconfig(o, "kubeconfig", ca, &clientcmdapi.AuthInfo{
		ClientCertificateData: admin.certPEM, ClientKeyData: admin.keyPEM,
	})
}

func writeKubeconfig(o options, name string, ca *certificate, user *clientcmdapi.AuthInfo) error {
	config := clientcmdapi.NewConfig()
	config.Clusters[o.name] = &clientcmdapi.Cluster{
		Server:                   fmt.Sprintf("https://%s", net.JoinHostPort(o.addr, fmt.Sprint(o.port))),
		CertificateAuthorityData: ca.certPEM,
	}
	config.AuthInfos["admin"] = user
	config.Contexts[o.name] = &clientcmdapi.Context{Cluster: o.name, AuthInfo: "admin"}
	config.CurrentContext = o.name
	return clientcmd.WriteToFile(*config, o.file(name))
}

type certificate struct {
	cert                       *x509.Certificate
	key                        crypto.Signer
	certPEM, keyPEM, publicPEM []byte
}

// newCertificate signs the template with ca, or with its own key if ca is nil.
func newCertificate(template *x509.Certificate, ca *certificate) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(10 * 365 * 24 * time.Hour)
	parent, signer := template, crypto.Signer(key)
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	return &certificate{
		cert: cert, key: key,
		certPEM:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:    pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
		publicPEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER}),
	}, nil
}
