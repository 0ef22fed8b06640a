package directory

// Role is what a person may do (ux.md §1.1).
type Role string

// The roles. They are stored: never change one.
const (
	RoleProvider    Role = "provider"     // SP: service-provider administrator
	RoleSubProvider Role = "sub_provider" // SSP
	RoleBoss        Role = "boss"         // BOSS: merchant administrator
	RoleManager     Role = "manager"      // MGR: shop manager
	RoleCashier     Role = "cashier"      // CSH
	RoleFinance     Role = "finance"      // FIN
	RoleOps         Role = "ops"          // OPS
	RoleDeveloper   Role = "developer"    // DEV
	RoleVendor      Role = "vendor"       // VND: terminal vendor
)

// Roles are all roles, in the order of the matrix.
func Roles() []Role {
	return []Role{
		RoleProvider, RoleSubProvider, RoleBoss, RoleManager, RoleCashier,
		RoleFinance, RoleOps, RoleDeveloper, RoleVendor,
	}
}

// Capability is a line of the permission matrix.
type Capability string

// The capabilities, in the order of the matrix.
const (
	ManageMerchants   Capability = "manage_merchants"   // create and edit sub-merchants, reset keys
	SeeSecrets        Capability = "see_secrets"        // see a secret key after creation
	ManageShops       Capability = "manage_shops"       // create shops and administrators
	ManageStaff       Capability = "manage_staff"       // create staff, set refund permission and PIN
	ManageDevices     Capability = "manage_devices"     // add devices
	SetUpDevices      Capability = "set_up_devices"     // get a device's configuration QR code
	TakePayments      Capability = "take_payments"      // on a POS
	MakeRefunds       Capability = "make_refunds"       // DEC-1
	SeeOrders         Capability = "see_orders"         //
	SeeStatistics     Capability = "see_statistics"     //
	SeeCallbacks      Capability = "see_callbacks"      // callback configuration and log
	SetCallbacks      Capability = "set_callbacks"      //
	SeeReconciliation Capability = "see_reconciliation" //
	RunReconciliation Capability = "run_reconciliation" //
	RegisterTerminals Capability = "register_terminals" // sub_terminal_type registry, releases
	UnbindTerminals   Capability = "unbind_terminals"   //
)

// Capabilities are all capabilities, in the order of the matrix.
func Capabilities() []Capability {
	return []Capability{
		ManageMerchants, SeeSecrets, ManageShops, ManageStaff, ManageDevices, SetUpDevices, TakePayments, MakeRefunds,
		SeeOrders, SeeStatistics, SeeCallbacks, SetCallbacks, SeeReconciliation, RunReconciliation, RegisterTerminals,
		UnbindTerminals,
	}
}

// Scope is how far a capability reaches. The zero value is not at all.
type Scope string

// The scopes.
const (
	Nothing       Scope = ""
	Everything    Scope = "all"       // all of the provider
	OwnMerchants  Scope = "own"       // the sub-provider's merchants
	Listed        Scope = "listed"    // the merchants that the member names
	OneMerchant   Scope = "merchant"  // the member's merchant
	OneShop       Scope = "shop"      // the member's shop
	OwnDoing      Scope = "self"      // what the member did itself
	IfPermitted   Scope = "permitted" // within the member's reach, if it has refund permission
	IfSwitched    Scope = "switch"    // the member's shop, if the merchant's policy allows it (K5)
	Sandbox       Scope = "sandbox"   // sandbox merchants only
	OwnTerminals  Scope = "terminals" // the vendor's terminals, masked
	Masked        Scope = "masked"    // everything, with numbers masked
	Aggregate     Scope = "aggregate" // sums only
	OwnBrand      Scope = "brand"     // the vendor's brand
	OwnApp        Scope = "app"       // the developer's application
	BySubTerminal Scope = "sub_terminal_type"
	ByKey         Scope = "key" // not as a person: with a merchant's API key
)

// matrix is the table of ux.md §1.1. What is not in it is not allowed. A
// clerk's statistics and orders widen to the shop with Policy.StaffSeesShop.
var matrix = map[Role]map[Capability]Scope{
	RoleProvider: {
		ManageMerchants: Everything, ManageShops: Everything, ManageStaff: Everything, ManageDevices: Everything,
		SeeOrders: Everything, SeeStatistics: Everything, SeeCallbacks: Everything, SetCallbacks: Everything,
		SeeReconciliation: Everything, RunReconciliation: Everything, RegisterTerminals: Everything,
		UnbindTerminals: Everything,
	},
	RoleSubProvider: {
		ManageMerchants: OwnMerchants, ManageShops: OwnMerchants, ManageStaff: OwnMerchants, ManageDevices: OwnMerchants,
		SeeOrders: OwnMerchants, SeeStatistics: OwnMerchants,
	},
	RoleBoss: {
		ManageShops: OneMerchant, ManageStaff: OneMerchant, ManageDevices: OneMerchant, SetUpDevices: OneMerchant,
		TakePayments: OneMerchant, MakeRefunds: IfPermitted, SeeOrders: OneMerchant, SeeStatistics: OneMerchant,
		SeeCallbacks: OneMerchant, SeeReconciliation: OneMerchant, UnbindTerminals: OneMerchant,
	},
	RoleManager: {
		ManageStaff: OneShop, ManageDevices: OneShop, SetUpDevices: IfSwitched, TakePayments: OneShop,
		MakeRefunds: OneShop, SeeOrders: OneShop, SeeStatistics: OneShop,
	},
	RoleCashier: {
		TakePayments: OneShop, MakeRefunds: IfPermitted, SeeOrders: OwnDoing, SeeStatistics: OwnDoing,
	},
	RoleFinance: {
		MakeRefunds: IfPermitted, SeeOrders: Listed, SeeStatistics: Listed, SeeReconciliation: Listed,
		RunReconciliation: Listed,
	},
	RoleOps: {
		SeeOrders: Masked, SeeStatistics: Aggregate, SeeCallbacks: Everything, SeeReconciliation: Everything,
		RunReconciliation: Everything, RegisterTerminals: Everything,
	},
	RoleDeveloper: {
		TakePayments: Sandbox, MakeRefunds: ByKey, SeeOrders: Sandbox, SeeCallbacks: OwnApp, SetCallbacks: OwnApp,
	},
	RoleVendor: {
		TakePayments: Sandbox, SeeOrders: OwnTerminals, SeeStatistics: BySubTerminal, RegisterTerminals: OwnBrand,
	},
}

// Allowed returns how far a role's capability reaches, Nothing for not at all.
// Unknown roles and capabilities reach nothing.
func Allowed(role Role, c Capability) Scope { return matrix[role][c] }

// ValidRole reports whether the role exists.
func ValidRole(r Role) bool { return matrix[r] != nil }
