// Package directory knows who exists: providers, merchants, shops, devices,
// staff, order prefixes, keys, and the accounts at the wallets.
//
// It reads rows through a Loader, opens what is sealed in them, and keeps what
// it read for a few seconds. It must not know SQL, HTTP, the wire protocol or
// any wallet: it hands out keys and names, and others use them.
package directory
