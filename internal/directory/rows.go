package directory

import (
	"context"
	"time"

	"cloudpay/internal/pay"
)

// Loader reads what is stored. Rows come back as they were written: sealed
// members stay sealed, and only Directory opens them. An id that is not
// stored is an error that wraps pay.ErrNotFound; every other error means that
// the answer is not known. Implementations are safe for concurrent use.
type Loader interface {
	// LoadMerchant returns a merchant with everything below it, in one
	// consistent read, what was deleted included.
	LoadMerchant(ctx context.Context, id string) (MerchantRows, error)
	LoadProvider(ctx context.Context, id string) (ProviderRow, error)
	LoadAccount(ctx context.Context, providerID string, ch pay.Channel) (AccountRow, error)
	// LoadShopOwner returns the merchant that a shop belongs to.
	LoadShopOwner(ctx context.Context, shopID string) (merchantID string, err error)
	LoadSubProviders(ctx context.Context, providerID string) ([]SubProviderRow, error)
	LoadDataKey(ctx context.Context, owner string) (sealed []byte, err error)
	LoadInitKey(ctx context.Context, sn string) (InitKeyRow, error)
	LoadTicket(ctx context.Context, hash string) (TicketRow, error)
	LoadActivation(ctx context.Context, activator string) (ActivationRow, error)
	LoadActivationByToken(ctx context.Context, tokenHash string) (ActivationRow, error)
	LoadMember(ctx context.Context, id string) (MemberRow, error)
	// LastTrade returns when an order of the merchant, or of one shop of it, was
	// last paid; the zero time if none was. shopID "" means all.
	LastTrade(ctx context.Context, merchantID, shopID string) (time.Time, error)

	// The lists are in the order of their ids and begin after the given one.
	ListProviders(ctx context.Context, after string, limit int) ([]ProviderRow, error)
	ListMerchants(ctx context.Context, f MerchantFilter) ([]MerchantRow, error)
	ListMembers(ctx context.Context, after string, limit int) ([]MemberRow, error)
	ListAudit(ctx context.Context, f AuditFilter) ([]AuditRow, error)
	// ListWrapped returns the data keys of providers.
	ListWrapped(ctx context.Context, after string, limit int) ([]WrappedKey, error)
	// Version returns how often an owner's rows were changed.
	Version(ctx context.Context, owner string) (int64, error)
}

// Writer stores rows.
type Writer interface {
	// Commit writes a change, its audit lines included, in one unit of work, if
	// the owner's version is still the one the change was made from. won is
	// false when it is not: nothing is written then. A row whose parent is
	// missing is refused with an error that wraps pay.ErrNotFound, a row or
	// prefix that somebody else holds with one that wraps pay.ErrConflict. Any
	// other error means that it is not known whether the change was written.
	Commit(ctx context.Context, c Change) (won bool, err error)
	// PutDataKey stores a sealed data key unless the owner has one.
	PutDataKey(ctx context.Context, owner string, sealed []byte) error
	// PutTicket and PutActivation store what lives for minutes, and remove what
	// ended before the given time. A ticket has its line of the trail.
	PutTicket(ctx context.Context, r TicketRow, before time.Time, line AuditRow) error
	PutActivation(ctx context.Context, r ActivationRow, before time.Time) error
	// GrantActivation records who granted what, once, with its line of the trail.
	// won is false when it was granted before or has ended at now.
	GrantActivation(ctx context.Context, r ActivationRow, now time.Time, line AuditRow) (won bool, err error)
	// Rewrap replaces a data key by the same one under another master key, with
	// its line of the trail. won is false when the stored one is no longer k's.
	Rewrap(ctx context.Context, k WrappedKey, sealed []byte, line AuditRow) (won bool, err error)
	// SawKey records the first use of a key.
	SawKey(ctx context.Context, merchantID, keyID string, at time.Time) error
}

// Change is one unit of work on the rows of one owner: a merchant, a provider,
// or the installation.
type Change struct {
	Owner   string // see ownerOfMerchant and its sisters
	Version int64  // the owner's version the change was made from
	Rows    []Row  // parents before children; at most MaxChange
	Audit   []AuditRow
}

// MaxChange bounds the rows of one change: each is a statement of a unit of
// work, and so is its audit line.
const MaxChange = 100

// Row is one of the row types below, by value. Storing a row inserts it or
// makes the stored one equal to it.
type Row interface{ isRow() }

func (ProviderRow) isRow()    {}
func (SubProviderRow) isRow() {}
func (MerchantRow) isRow()    {}
func (KeyRow) isRow()         {}
func (AdminRow) isRow()       {}
func (ShopRow) isRow()        {}
func (DeviceRow) isRow()      {}
func (StaffRow) isRow()       {}
func (PrefixRow) isRow()      {}
func (AccountRow) isRow()     {}
func (InitKeyRow) isRow()     {}
func (MemberRow) isRow()      {}

// Times are when a row was made, last changed and deleted. A row that was
// deleted stays for history.
type Times struct {
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt time.Time // zero while it lives
}

// ProviderRow is one provider. Key: ID.
type ProviderRow struct {
	ID              string // out_mch_id, at most MaxID characters
	Name            string
	NotifyURL       string // 交易完成回调 URL, "" for none
	RefundNotifyURL string
	DataKey         []byte // sealed under the master key, about 64 bytes; never replaced by Commit
	Disabled        bool
	Profile         string // JSON of ProviderProfile
	Times
}

// SubProviderRow is one sub-provider. Key: ProviderID, ID.
type SubProviderRow struct {
	ProviderID string
	ID         string
	Name       string
	Remark     string
	RebatePPM  int64
	Disabled   bool
	Times
}

// MerchantRow is one sub-merchant. Key: ID, unique in the installation. A
// stored one is never moved to another provider (conflict).
type MerchantRow struct {
	ID              string // out_sub_mch_id, at most MaxID characters
	ProviderID      string
	SubProviderID   string // "" for none
	Name            string
	DefaultBody     string // what a customer reads when an order names nothing
	NotifyURL       string // "" for the provider's
	ReversePaid     bool   // money.md §3 row 8
	RefundMustSign  bool   // 退款必须签名
	Disabled        bool
	WxSubMchID      string
	WxSubAppID      string
	WxMobAppID      string
	WxMiniAppID     string
	WxAPI           string // APIv2, APIv3, or "" for the account's
	AliAppAuthToken []byte // sealed, empty for none
	AliSellerID     string
	Profile         string // JSON of MerchantProfile
	Policy          string // JSON of Policy
	Times
}

// KeyRow is one key of one merchant. Key: MerchantID, ID.
type KeyRow struct {
	MerchantID string
	ID         string
	Kind       string    // KindAuthen or KindPublic
	Sealed     []byte    // an authen_key, sealed; empty for a public key
	PublicPEM  string    // SubjectPublicKeyInfo; "" for an authen_key
	CreatedAt  time.Time // when it became the current one
	EndsAt     time.Time // zero for the current one
	SeenAt     time.Time // its first use, zero before; Commit leaves it alone
}

// AdminRow is one administrator of a merchant. Key: MerchantID, ID.
type AdminRow struct {
	MerchantID   string
	ID           string
	Name         string
	RefundAuth   bool
	OneCodeNotes bool
	OpenID       string
	MchOpenID    string
	Duty         string
	Phone        string
	Times
}

// ShopRow is one shop. Key: ID, unique in the installation: some calls find
// the merchant by the shop alone (protocol.md §1.4). A stored one is never
// moved to another merchant (conflict).
type ShopRow struct {
	MerchantID string
	ID         string // out_shop_id
	Number     string // shop_id
	Name       string
	Profile    string // JSON of ShopProfile
	Times
}

// DeviceRow is one till or terminal. Key: MerchantID, ShopID, ID.
type DeviceRow struct {
	MerchantID string
	ShopID     string
	ID         string // device_id
	Name       string
	Type       int64
	Category   int64
	SN         string // serial number, "" while not bound
	Prefix     string
	Ordinal    int64
	Profile    string // JSON of DeviceProfile
	Times
}

// StaffRow is one person in one shop. Key: MerchantID, ShopID, ID.
type StaffRow struct {
	MerchantID  string
	ShopID      string
	ID          string // staff_id
	Name        string
	ShopManager bool
	RefundAuth  bool
	PIN         []byte // a sealed argon2id hash, empty for none
	Profile     string // JSON of StaffProfile
	Times
}

// PrefixRow is one order prefix of one merchant. Key: Prefix. Storing it is
// refused (conflict) when it starts with any other stored prefix, or another
// starts with it (money.md §2). It is never deleted.
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

// InitKeyRow is one factory device. Key: SN.
type InitKeyRow struct {
	SN         string
	Sealed     []byte // the init key, sealed with the installation's data key
	MerchantID string // what the device is bound to, "" while it is not
	ShopID     string
	DeviceID   string
	StaffID    string
	CreatedAt  time.Time
	BoundAt    time.Time
}

// MemberRow is one operator account. Key: ID.
type MemberRow struct {
	ID       string
	Name     string
	Role     string
	Disabled bool
	Scope    string // JSON of Scope's members
	Times
}

// TicketRow is one configuration QR code. Key: Hash.
type TicketRow struct {
	Hash       string // hex SHA-256 of si
	MerchantID string
	ShopID     string
	DeviceID   string
	StaffID    string
	MadeBy     string // the actor
	CreatedAt  time.Time
	EndsAt     time.Time
}

// ActivationRow is one request of a device or a client to be let in, which a
// person grants. Key: Activator.
type ActivationRow struct {
	Activator  string
	TokenHash  string // hex SHA-256 of the token, unique
	Kind       string // KindDevice or KindClient
	SN         string // of a device
	MerchantID string // of a client: whose key asked; of a device: what it was bound to
	ShopID     string
	Terminal   int64 // authorize_terminal_type of a client
	CreatedAt  time.Time
	EndsAt     time.Time
	GrantedAt  time.Time
	GrantedBy  string
	Granted    string // JSON of what was granted, "" before
}

// MerchantRows is a merchant with everything below it. The lists are in the
// order of their ids; keys are newest first.
type MerchantRows struct {
	Version  int64
	Merchant MerchantRow
	Keys     []KeyRow
	Prefixes []string
	Admins   []AdminRow
	Shops    []ShopRow
	Devices  []DeviceRow
	Staff    []StaffRow
}

// MaxBelow bounds the rows below a merchant, deleted ones included: all are
// read together, and whoever has the merchant's key can add to them. A chain of
// 2,000 shops has some 15,000.
const MaxBelow = 20_000

// below counts the rows below the merchant.
func (r MerchantRows) below() int {
	return len(r.Keys) + len(r.Admins) + len(r.Shops) + len(r.Devices) + len(r.Staff)
}
