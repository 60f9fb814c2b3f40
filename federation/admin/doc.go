// Package admin is the socket on which a running syncer shows its state and accepts confirmations: the messages, the
// server and the client. It knows neither members nor providers.
package admin
