package api

import (
	"context"

	"cloudpay/cpay"
)

// downloadBill answers a part of the merchant's statement of a closed day
// (interface 201, of which the documents know the number only).
func (s *Server) downloadBill(ctx context.Context, c *call, m *cpay.DownloadBillRequest) (cpay.Message, error) {
	if err := ofProvider(c.merchant, m.OutMchID); err != nil {
		return nil, err
	}
	part, err := s.Days.Statement(ctx, c.merchant.ID, m.BillDate, m.After)
	if err != nil {
		return nil, err
	}
	return &cpay.DownloadBillResponse{BillDate: m.BillDate, Hash: part.Hash, Content: part.Content, Next: part.Next}, nil
}
