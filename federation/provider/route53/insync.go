package route53

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/federation-dns/federation/federation/provider"
	"github.com/federation-dns/federation/federation/provider/budget"
	"github.com/federation-dns/federation/federation/provider/internal/batch"
)

// syncPause is the interval at which waitInSync polls.
const syncPause = 2 * time.Second

// waitInSync returns when the changes have reached all name servers, ctx has ended, or Route 53 cannot say at the
// moment. It fails if Route 53 refuses to say.
func (p *Provider) waitInSync(ctx context.Context, ids []string) error {
	for _, id := range ids {
		for {
			status, err := p.changeStatus(ctx, id)
			if errors.Is(err, provider.ErrRefused) {
				// The changes are made: for the caller it is no refusal.
				return provider.Recast(provider.ErrUnknownOutcome,
					fmt.Errorf("the change is made, but waitInSync cannot see where: %w", err))
			}
			if err != nil || status == types.ChangeStatusInsync {
				break
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(syncPause):
			}
		}
	}
	return nil
}

func (p *Provider) changeStatus(ctx context.Context, id string) (status types.ChangeStatus, err error) {
	err = batch.Read(ctx, func() error {
		return p.call(ctx, budget.Change, "", "GetChange", func(ctx context.Context, api *sdk.Client) error {
			out, err := api.GetChange(ctx, &sdk.GetChangeInput{Id: aws.String(id)})
			if err == nil && out.ChangeInfo != nil {
				status = out.ChangeInfo.Status
			}
			return err
		})
	})
	return status, err
}
