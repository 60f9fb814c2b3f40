package proc

import (
	"context"
	"testing"
	"time"
)

// Eventually polls until f gives no error; the test fails if that takes longer than within.
func Eventually(t testing.TB, within time.Duration, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := Poll(ctx, "it to be so", f); err != nil {
		t.Fatalf("not within %s: %v", within, err)
	}
}
