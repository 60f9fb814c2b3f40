package provider

import "context"

type auditKey struct{}

// ForAudit marks requests of an audit: a provider with a request budget gives them a fifth of it, even when it is
// otherwise idle (X5b), as other programs share the account.
func ForAudit(ctx context.Context) context.Context { return context.WithValue(ctx, auditKey{}, true) }

// IsForAudit reports whether ForAudit has marked the context.
func IsForAudit(ctx context.Context) bool { return ctx.Value(auditKey{}) != nil }
