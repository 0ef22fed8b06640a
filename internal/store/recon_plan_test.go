package store_test

import (
	"database/sql"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"cloudpay/internal/store/storetest"
)

// queryOf returns a query as it stands in its file, with a text in place of every
// text it asks for and 1 in place of every number.
func queryOf(t *testing.T, file, name string) string {
	t.Helper()
	raw, err := os.ReadFile("queries/" + file)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(string(raw), "-- name: "+name+" :many\n")
	query, _, found := strings.Cut(query, ";")
	if !found {
		t.Fatalf("%s has no query %s", file, name)
	}
	query = regexp.MustCompile(`sqlc\.arg\((from_line|row_limit|after|\w+_ms)\)`).ReplaceAllString(query, "1")
	return regexp.MustCompile(`sqlc\.arg\(\w+\)`).ReplaceAllString(query, "'x'")
}

// TestALineIsFoundByItsItem: SQLite, which has no statistics, walked over all lines
// that a merchant ever had to find those of one item, for each order of a day. Both
// engines read all orders before a page to find where it begins.
func TestALineIsFoundByItsItem(t *testing.T) {
	t.Parallel()
	dsn := storetest.SQLite(t)
	storetest.Migrate(t, dsn)
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(dsn, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	const byItem = "INDEX bill_lines_of_item (merchant_id=? AND channel=? AND item=?"
	for _, c := range []struct{ file, name, want string }{
		{"recon.sql", "ListLinesOfItem", byItem},
		{"recon.sql", "ListBillLines", byItem},
		{"day.sql", "ListStatement", byItem},
		{"recon.sql", "ListReconOrders", "(merchant_id=? AND updated_ms>?)"}, // a page does not read those before it
		{"recon.sql", "ListReconRefunds", "(merchant_id=? AND updated_ms>?)"},
		{"day.sql", "ListDayOrders", "(merchant_id=? AND updated_ms>?)"},
		{"day.sql", "ListDayRefunds", "(merchant_id=? AND updated_ms>?)"},
	} {
		if got := strings.Join(liteplan(t, db, queryOf(t, c.file, c.name)), "\n"); !strings.Contains(got, c.want) {
			t.Errorf("%s does not go by %s:\n%s", c.name, c.want, got)
		}
	}
}

// liteplan is what SQLite would do for a query.
func liteplan(t *testing.T, db *sql.DB, query string) (plan []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestALongBillIsReadInItsOrder: PostgreSQL read and sorted what was left of a day
// for each page of its lines.
func TestALongBillIsReadInItsOrder(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	s := storetest.Migrated(t, dsn)()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	_, err = conn.Exec(t.Context(), `INSERT INTO bill_lines SELECT 'm', 'wxpay', '20261125', 1, i, 'payment:' || i, 'payment', 1, 'N' || i, '', '', '', '',
		'', 1, 1, 1, '' FROM generate_series(1, 5000) AS i`)
	if err == nil {
		err = s.LinesWritten(t.Context())
	}
	if err == nil {
		_, err = conn.Exec(t.Context(), "SET enable_seqscan = off; SET enable_bitmapscan = off; SET join_collapse_limit = 1")
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"ListBillLines": "recon.sql", "ListBillFlows": "recon.sql", "ListBilledOrders": "day.sql"} {
		rows, err := conn.Query(t.Context(), "EXPLAIN "+queryOf(t, file, name))
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan := strings.Join(lines, "\n")
		if err != nil || strings.Contains(plan, "Sort") {
			t.Errorf("%s sorts, %v:\n%s", name, err, plan)
		}
		if name == "ListBillLines" && !strings.Contains(plan, "bill_lines_of_item on") {
			t.Errorf("%s does not go by the index of items:\n%s", name, plan)
		}
	}
}
