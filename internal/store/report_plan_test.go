package store_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"cloudpay/internal/store/storetest"
)

// TestPaymentsGoByTheKeyOfANewTable is about the first minutes of an
// installation on PostgreSQL: without statistics the index of reports cost what
// the key costs, and was taken, so that each payment walked over all before it.
func TestPaymentsGoByTheKeyOfANewTable(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	storetest.Migrated(t, dsn)()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	for query, index := range map[string]string{
		"UPDATE orders SET total = 1 WHERE merchant_id = 'm' AND out_trade_no = 'o' AND state = 's' AND unit = 'u'": "orders_pkey",
		"SELECT 1 FROM refunds WHERE merchant_id = 'm' AND out_trade_no = 'o' AND unit = 'u'":                       "refunds_of_order",
	} {
		if _, err := conn.Exec(t.Context(), "SET enable_seqscan = off; SET enable_bitmapscan = off"); err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(t.Context(), "EXPLAIN "+query)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if plan := strings.Join(lines, "\n"); err != nil || !strings.Contains(plan, index+" on") {
			t.Errorf("%s: %v, want it by %s:\n%s", query, err, index, plan)
		}
	}
}
