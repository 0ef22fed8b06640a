package alipay

import (
	"testing"

	"cloudpay/internal/channel/channeltest"
)

// TestBillsOfTheSandboxAreTrue fetches two days' bills.
func TestBillsOfTheSandboxAreTrue(t *testing.T) {
	t.Parallel()
	channeltest.RunBills(t, adapter(t))
}
