//go:build !live

package clouddns_test

import "os"

// environment has no default credentials; start adds those of a fake.
var environment = map[string]string{
	"GOOGLE_APPLICATION_CREDENTIALS": os.DevNull, "GOOGLE_CLOUD_PROJECT": "", "GOOGLE_CLOUD_QUOTA_PROJECT": "",
	"GOOGLE_CLOUD_UNIVERSE_DOMAIN": "", "GOOGLE_API_USE_CLIENT_CERTIFICATE": "false",
	"GOOGLE_API_USE_MTLS_ENDPOINT": "never",
}
