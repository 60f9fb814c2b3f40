package provider

import "context"

type auditKey struct{}

// ForAudit marks what is asked for an audit: a provider with a budget of requests
// gives it a fifth of them, whether or not anything else is asked (X5b). Other
// programs of the account need some too.
func ForAudit(ctx context.Context) context.Context { return context.WithValue(ctx, auditKey{}, true) }

// IsForAudit reports whether ForAudit has marked the context.
func IsForAudit(ctx context.Context) bool { return ctx.Value(auditKey{}) != nil }
