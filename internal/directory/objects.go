package directory

// What each row is about, and its times.

func (r ProviderRow) object() object    { return object{"provider", r.ID} }
func (r SubProviderRow) object() object { return object{"sub_provider", r.ProviderID + "/" + r.ID} }
func (r MerchantRow) object() object    { return object{"merchant", r.ID} }
func (r KeyRow) object() object         { return object{"key", r.MerchantID + "/" + r.ID} }
func (r AdminRow) object() object       { return object{"admin", r.MerchantID + "/" + r.ID} }
func (r ShopRow) object() object        { return object{"shop", r.MerchantID + "/" + r.ID} }
func (r PrefixRow) object() object      { return object{"prefix", r.MerchantID + "/" + r.Prefix} }
func (r AccountRow) object() object     { return object{"account", accountKey(r.ProviderID, r.Channel)} }
func (r InitKeyRow) object() object     { return object{"init_key", r.SN} }
func (r MemberRow) object() object      { return object{"member", r.ID} }

func (r DeviceRow) object() object {
	return object{"device", r.MerchantID + "/" + r.ShopID + "/" + r.ID}
}

func (r StaffRow) object() object {
	return object{"staff", r.MerchantID + "/" + r.ShopID + "/" + r.ID}
}

func (t Times) times() Times { return t }

func (KeyRow) times() Times     { return Times{} }
func (PrefixRow) times() Times  { return Times{} }
func (AccountRow) times() Times { return Times{} }
func (InitKeyRow) times() Times { return Times{} }
