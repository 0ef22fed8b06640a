package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"cloudpay/internal/directory"
	"cloudpay/internal/pay"
	"cloudpay/internal/store"
	"cloudpay/internal/store/storetest"
)

// TestMerchantsOfOlderDatabasesKeepTheirKeys migrates a database that was
// filled before keys had a table of their own.
func TestMerchantsOfOlderDatabasesKeepTheirKeys(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			dsn := e.DSN(t)
			if e.Name == store.SQLite {
				if err := os.WriteFile(dsn[len("sqlite:"):], nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			db := raw(t, dsn)
			dialect, bytes, no := goose.DialectSQLite3, "X'0102'", "0"
			if e.Name == store.Postgres {
				dialect, bytes, no = goose.DialectPostgres, `'\x0102'`, "false"
			}
			p := got[*goose.Provider](t)(goose.NewProvider(dialect, db, os.DirFS("migrations"), goose.WithDisableGlobalRegistry(true)))
			got[[]*goose.MigrationResult](t)(p.UpTo(t.Context(), 4))
			run(t, db, "INSERT INTO providers (id, name, notify_url, data_key) VALUES ('p', 'P', '', "+bytes+")")
			for _, pem := range []string{"", "PEM"} {
				run(t, db, fmt.Sprintf("INSERT INTO merchants VALUES ('m%s', 'p', 'M', '', %s, '%s', '', %s, %s, %s, '', '', %s, '')",
					pem, bytes, pem, no, no, no, bytes))
			}
			run(t, db, "INSERT INTO shops (id, merchant_id, name) VALUES ('s', 'm', 'S')")
			run(t, db, "INSERT INTO devices (merchant_id, shop_id, id, name, sn) VALUES ('m', 's', 'd', 'D', 'SN')")
			run(t, db, "INSERT INTO staff (merchant_id, shop_id, id, name, shop_manager, refund_auth) VALUES ('m', 's', 'c', 'C', "+no+", "+no+")")
			closed(t, db)
			s := storetest.Migrated(t, dsn)()
			rows := got[directory.MerchantRows](t)(s.LoadMerchant(t.Context(), "m"))
			value := []byte{1, 2}
			same(t, "keys", rows.Keys, []directory.KeyRow{{MerchantID: "m", ID: "a1", Kind: directory.KindAuthen, Sealed: value}})
			same(t, "device", rows.Devices, []directory.DeviceRow{{MerchantID: "m", ShopID: "s", ID: "d", Name: "D", SN: "SN", Ordinal: -1}})
			same(t, "token", rows.Merchant.AliAppAuthToken, value)
			same(t, "version", rows.Version, 0)
			if len(rows.Staff) != 1 || len(rows.Staff[0].PIN) != 0 || len(rows.Shops) != 1 {
				t.Errorf("staff %+v, shops %+v", rows.Staff, rows.Shops)
			}
			rows = got[directory.MerchantRows](t)(s.LoadMerchant(t.Context(), "mPEM"))
			if len(rows.Keys) != 2 || rows.Keys[1].PublicPEM != "PEM" || len(rows.Keys[1].Sealed) != 0 {
				t.Errorf("keys of a merchant that signs: %+v", rows.Keys)
			}
			// A merchant from before has no head yet: the first change makes it.
			if err := commit(t, s, "m/m", rows.Merchant); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func closed(t *testing.T, db *sql.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatLivesForMinutesIsSwept(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s, ctx := opened(), t.Context()
			var ticket directory.TicketRow
			var wants directory.ActivationRow
			fill(t, &ticket)
			fill(t, &wants)
			old, asked := ticket, wants
			old.Hash, old.EndsAt = "old", noon.Add(-time.Second)
			asked.Activator, asked.TokenHash, asked.EndsAt = "old", "old token", noon.Add(-time.Second)
			for _, err := range []error{
				s.PutTicket(ctx, old, noon.Add(-time.Minute), directory.AuditRow{ID: "1"}),
				s.PutTicket(ctx, ticket, noon.Add(-time.Minute), directory.AuditRow{ID: "2"}),
				s.PutActivation(ctx, asked, noon.Add(-time.Minute)), s.PutActivation(ctx, wants, noon.Add(-time.Minute)),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			same(t, "ticket", got[directory.TicketRow](t)(s.LoadTicket(ctx, old.Hash)), old)
			same(t, "activation", got[directory.ActivationRow](t)(s.LoadActivation(ctx, "old")), asked)
			next := ticket
			next.Hash = "next"
			after := wants
			after.Activator, after.TokenHash, after.GrantedAt = "next", "next token", time.Time{}
			if err := s.PutTicket(ctx, next, noon, directory.AuditRow{ID: "3"}); err != nil {
				t.Fatal(err)
			}
			if err := s.PutActivation(ctx, after, noon); err != nil {
				t.Fatal(err)
			}
			is(t, second(s.LoadTicket(ctx, "old")), pay.ErrNotFound)
			is(t, second(s.LoadActivation(ctx, "old")), pay.ErrNotFound)
			same(t, "ticket that lives", got[directory.TicketRow](t)(s.LoadTicket(ctx, ticket.Hash)), ticket)
			same(t, "by token", got[directory.ActivationRow](t)(s.LoadActivationByToken(ctx, wants.TokenHash)), wants)
			// Granted once, while it lives.
			after.GrantedAt, after.Granted, after.GrantedBy = noon, "{}", "me"
			wins(t, false)(s.GrantActivation(ctx, after, after.EndsAt, directory.AuditRow{ID: "4"}))
			wins(t, true)(s.GrantActivation(ctx, after, noon, directory.AuditRow{ID: "5"}))
			wins(t, false)(s.GrantActivation(ctx, after, noon, directory.AuditRow{ID: "6"}))
			same(t, "lines", len(got[[]directory.AuditRow](t)(s.ListAudit(ctx, directory.AuditFilter{Limit: 9}))), 4)
			same(t, "granted", got[directory.ActivationRow](t)(s.LoadActivation(ctx, "next")), after)
		})
	}
}

func TestDataKeyIsKeptOnce(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			opened := e.New(t)
			s, ctx := opened(), t.Context()
			for _, key := range []string{"first", "second"} {
				if err := s.PutDataKey(ctx, "*x", []byte(key)); err != nil {
					t.Fatal(err)
				}
			}
			same(t, "data key", string(got[[]byte](t)(s.LoadDataKey(ctx, "*x"))), "first")
			wins(t, false)(s.Rewrap(ctx, directory.WrappedKey{Owner: "*x", Sealed: []byte("second")}, []byte("y"), directory.AuditRow{ID: "1"}))
			wins(t, true)(s.Rewrap(ctx, directory.WrappedKey{Owner: "*x", Sealed: []byte("first")}, []byte("y"), directory.AuditRow{ID: "2"}))
			same(t, "rewrapped", string(got[[]byte](t)(s.LoadDataKey(ctx, "*x"))), "y")
			same(t, "lines", len(got[[]directory.AuditRow](t)(s.ListAudit(ctx, directory.AuditFilter{Limit: 9}))), 1)
		})
	}
}
