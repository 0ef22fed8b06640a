package cpay

// limitDate is the longest date.
const limitDate = 10

// limitStatement is the longest part of a statement that a client reads.
const limitStatement = 1 << 20

// DownloadBillRequest asks for a part of the merchant's statement of a closed
// day. The original documents name the interface (201) and nothing else; this
// form is ours.
type DownloadBillRequest struct {
	// OutMchID is the provider.
	OutMchID string
	// OutSubMchID is the merchant. A Client fills it in.
	OutSubMchID string
	// BillDate is the day in Asia/Shanghai, as 2026-11-20.
	BillDate string
	// After is Next of the part before, empty for the first.
	After string
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *DownloadBillRequest) fields(c *walk) {
	c.text("out_mch_id", &m.OutMchID, limitID)
	c.mustText("out_sub_mch_id", &m.OutSubMchID, limitID)
	c.mustText("bill_date", &m.BillDate, limitDate)
	c.text("after", &m.After, limitClientText)
	c.freshNonce(&m.NonceStr)
}

// Method returns MethodDownloadBill.
func (*DownloadBillRequest) Method() Method { return MethodDownloadBill }

// Validate follows Request.
func (m *DownloadBillRequest) Validate() error {
	r := rules{}
	r.need("out_sub_mch_id", m.OutSubMchID)
	r.need("bill_date", m.BillDate)
	return r.with(m)
}

// DownloadBillResponse is a part of a statement.
type DownloadBillResponse struct {
	// BillDate is the day.
	BillDate string
	// Hash is that of the closed day's record, the same in every part.
	Hash string
	// Content is CSV with lines that end in CRLF. The first part begins with the
	// names of the columns.
	Content string
	// Next is where the next part goes on; it is empty in the last.
	Next string
	// NonceStr is made up when empty. It is not echoed and proves nothing (R11).
	NonceStr string
}

func (m *DownloadBillResponse) fields(c *walk) {
	c.mustText("bill_date", &m.BillDate, limitDate)
	c.mustText("hash", &m.Hash, limitShort)
	c.mustText("content", &m.Content, limitStatement)
	c.text("next", &m.Next, limitClientText)
	c.freshNonce(&m.NonceStr)
}
