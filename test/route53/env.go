package route53

// Env returns an environment in which the SDK has credentials that the fake accepts, and reads nothing of whoever runs
// the test.
func Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=AKIAEXAMPLE000000000", "AWS_SECRET_ACCESS_KEY=a secret of the tests",
		"AWS_SESSION_TOKEN=", "AWS_PROFILE=", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"AWS_EC2_METADATA_DISABLED=true",
	}
}
