//go:build !live

package clouddns_test

import "os"

// environment has nothing that the default credentials would be found by; start adds those of a stand-in.
var environment = map[string]string{
	"GOOGLE_APPLICATION_CREDENTIALS": os.DevNull, "GOOGLE_CLOUD_PROJECT": "", "GOOGLE_CLOUD_QUOTA_PROJECT": "",
	"GOOGLE_CLOUD_UNIVERSE_DOMAIN": "", "GOOGLE_API_USE_CLIENT_CERTIFICATE": "false",
	"GOOGLE_API_USE_MTLS_ENDPOINT": "never",
}
