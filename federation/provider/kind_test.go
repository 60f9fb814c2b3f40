package provider_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/federation-dns/federation/federation/provider"
)

func TestKindOf(t *testing.T) {
	all := []error{provider.ErrConflict, provider.ErrRefused, provider.ErrNotSent, provider.ErrUnknownOutcome,
		provider.ErrUnavailable}
	for _, kind := range all {
		t.Run("X5a "+kind.Error(), func(t *testing.T) {
			cause := fmt.Errorf("server: %w: %w: %w", kind, context.Canceled, provider.ErrThrottled)
			if got := provider.KindOf(fmt.Errorf("name: %w", cause)); !errors.Is(got, kind) {
				t.Errorf("the kind is %v", got)
			}
			for _, other := range all {
				err := fmt.Errorf("name: %w", provider.Recast(other, cause))
				for _, k := range all {
					if errors.Is(err, k) != (errors.Is(k, other)) {
						t.Errorf("recast as %v: it is %v: %v", other, k, errors.Is(err, k))
					}
				}
				if !errors.Is(provider.KindOf(err), other) || !errors.Is(err, context.Canceled) ||
					!errors.Is(err, provider.ErrThrottled) {
					t.Errorf("recast as %v: %v", other, err)
				}
			}
		})
	}
	t.Run("X5a none", func(t *testing.T) {
		if provider.KindOf(errors.New("x")) != nil || provider.KindOf(nil) != nil {
			t.Error("there is a kind")
		}
	})
}
