package directory

import "slices"

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

// matrix is the table of ux.md §1.1: a column per role, in the order of Roles.
// A clerk's statistics and orders widen to the shop with Policy.StaffSeesShop.
var matrix = map[Capability][9]Scope{
	// provider, sub-provider, boss, manager, cashier, finance, ops, developer, vendor
	ManageMerchants:   {Everything, OwnMerchants, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing},
	SeeSecrets:        {},
	ManageShops:       {Everything, OwnMerchants, OneMerchant, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing},
	ManageStaff:       {Everything, OwnMerchants, OneMerchant, OneShop, Nothing, Nothing, Nothing, Nothing, Nothing},
	ManageDevices:     {Everything, OwnMerchants, OneMerchant, OneShop, Nothing, Nothing, Nothing, Nothing, Nothing},
	SetUpDevices:      {Nothing, Nothing, OneMerchant, IfSwitched, Nothing, Nothing, Nothing, Nothing, Nothing},
	TakePayments:      {Nothing, Nothing, OneMerchant, OneShop, OneShop, Nothing, Nothing, Sandbox, Sandbox},
	MakeRefunds:       {Nothing, Nothing, IfPermitted, OneShop, IfPermitted, IfPermitted, Nothing, ByKey, Nothing},
	SeeOrders:         {Everything, OwnMerchants, OneMerchant, OneShop, OwnDoing, Listed, Masked, Sandbox, OwnTerminals},
	SeeStatistics:     {Everything, OwnMerchants, OneMerchant, OneShop, OwnDoing, Listed, Aggregate, Nothing, BySubTerminal},
	SeeCallbacks:      {Everything, Nothing, OneMerchant, Nothing, Nothing, Nothing, Everything, OwnApp, Nothing},
	SetCallbacks:      {Everything, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing, OwnApp, Nothing},
	SeeReconciliation: {Everything, Nothing, OneMerchant, Nothing, Nothing, Listed, Everything, Nothing, Nothing},
	RunReconciliation: {Everything, Nothing, Nothing, Nothing, Nothing, Listed, Everything, Nothing, Nothing},
	RegisterTerminals: {Everything, Nothing, Nothing, Nothing, Nothing, Nothing, Everything, Nothing, OwnBrand},
	UnbindTerminals:   {Everything, Nothing, OneMerchant, Nothing, Nothing, Nothing, Nothing, Nothing, Nothing},
}

// Allowed returns how far a role's capability reaches, Nothing for not at all.
// Unknown roles and capabilities reach nothing.
func Allowed(role Role, c Capability) Scope {
	i := slices.Index(Roles(), role)
	if i < 0 {
		return Nothing
	}
	return matrix[c][i]
}

// ValidRole reports whether the role exists.
func ValidRole(r Role) bool { return slices.Contains(Roles(), r) }
