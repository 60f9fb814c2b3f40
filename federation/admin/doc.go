// Package admin is the socket over which a running syncer shows its state and takes confirmations: what is sent there, who
// serves it, and who asks. It knows neither members nor providers.
package admin
