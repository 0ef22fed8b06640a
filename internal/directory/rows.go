package directory

import (
	"context"

	"cloudpay/internal/pay"
)

// Loader reads what is stored. Rows come back as they were written: sealed
// members stay sealed, and only Directory opens them. An id that is not
// stored is an error that wraps pay.ErrNotFound; every other error means that
// the answer is not known. Implementations are safe for concurrent use.
type Loader interface {
	// LoadMerchant returns a merchant with everything below it, in one
	// consistent read.
	LoadMerchant(ctx context.Context, id string) (MerchantRows, error)
	LoadProvider(ctx context.Context, id string) (ProviderRow, error)
	LoadAccount(ctx context.Context, providerID string, ch pay.Channel) (AccountRow, error)
}

// Writer stores rows. Every method inserts the row or makes the stored one
// equal to it, so that seeding twice changes nothing; nothing is ever deleted.
// A row whose parent is missing is refused with an error that wraps
// pay.ErrNotFound; a row that exists under another owner is refused with one
// that wraps pay.ErrConflict, and is left as it was.
type Writer interface {
	// PutProvider stores name and address. The data key of a provider that
	// exists is never replaced: everything below it is sealed with that key.
	PutProvider(ctx context.Context, r ProviderRow) error
	// PutMerchant refuses to move a merchant to another provider (conflict).
	PutMerchant(ctx context.Context, r MerchantRow) error
	// PutShop refuses an id that another merchant's shop has (conflict): some
	// calls find the merchant by the shop alone (protocol.md §1.4).
	PutShop(ctx context.Context, r ShopRow) error
	PutDevice(ctx context.Context, r DeviceRow) error
	PutStaff(ctx context.Context, r StaffRow) error
	// PutPrefix refuses, in the same statement that inserts, a prefix that
	// starts with another merchant's prefix, or that another merchant's prefix
	// starts with (conflict; money.md §2). As SQL, with the new prefix as p and
	// a stored row as r: substr(r.prefix, 1, length(p)) = p OR
	// substr(p, 1, length(r.prefix)) = r.prefix.
	PutPrefix(ctx context.Context, r PrefixRow) error
	PutAccount(ctx context.Context, r AccountRow) error
}

// ProviderRow is one provider. Key: ID.
type ProviderRow struct {
	ID        string // out_mch_id, at most MaxID characters
	Name      string
	NotifyURL string // 交易完成回调 URL, "" for none
	DataKey   []byte // sealed under the master key, about 64 bytes
}

// MerchantRow is one sub-merchant. Key: ID, unique in the installation.
type MerchantRow struct {
	ID              string // out_sub_mch_id, at most MaxID characters
	ProviderID      string
	Name            string
	DefaultBody     string // what a customer reads when an order names nothing
	AuthenKey       []byte // sealed
	PublicKeyPEM    string // SubjectPublicKeyInfo, "" for none
	NotifyURL       string // "" for the provider's
	ReversePaid     bool   // money.md §3 row 8
	RefundMustSign  bool   // 退款必须签名
	Disabled        bool
	WxSubMchID      string
	WxSubAppID      string
	AliAppAuthToken []byte // sealed, empty for none
	AliSellerID     string
}

// ShopRow is one shop. Key: ID, unique in the installation.
type ShopRow struct {
	MerchantID string
	ID         string // out_shop_id
	Name       string
}

// DeviceRow is one till or terminal. Key: MerchantID, ShopID, ID.
type DeviceRow struct {
	MerchantID string
	ShopID     string
	ID         string // device_id
	Name       string
	SN         string // serial number, "" while not bound
}

// StaffRow is one person in one shop. Key: MerchantID, ShopID, ID.
type StaffRow struct {
	MerchantID  string
	ShopID      string
	ID          string // staff_id
	Name        string
	ShopManager bool
	RefundAuth  bool
}

// PrefixRow is one order prefix of one merchant. Key: Prefix.
type PrefixRow struct {
	MerchantID string
	Prefix     string // cloud_cashier_id, 8 to 10 characters
}

// AccountRow is a provider's account at one wallet. Key: ProviderID, Channel.
type AccountRow struct {
	ProviderID string
	Channel    pay.Channel
	Fields     []byte // sealed JSON, at most MaxFields bytes before sealing
}

// MerchantRows is a merchant with everything below it. The lists are in the
// order of their ids.
type MerchantRows struct {
	Merchant MerchantRow
	Prefixes []string
	Shops    []ShopRow
	Devices  []DeviceRow
	Staff    []StaffRow
}
