//go:build !live

package route53_test

import "os"

// environment has credentials, and nothing else that the default chain would find.
var environment = map[string]string{
	"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
	"AWS_REGION":      "",
	"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	"AWS_CA_BUNDLE": "",
}
