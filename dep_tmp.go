package arch
import (
 _ "github.com/alecthomas/kong"
 _ "github.com/google/go-cmp/cmp"
 _ "github.com/google/uuid"
 _ "github.com/jackc/pgx/v5/pgxpool"
 _ "github.com/pressly/goose/v3"
 _ "github.com/prometheus/client_golang/prometheus"
 _ "github.com/rogpeppe/go-internal/testscript"
 _ "github.com/smartwalle/alipay/v3"
 _ "go.uber.org/goleak"
 _ "golang.org/x/sync/errgroup"
 _ "golang.org/x/time/rate"
 _ "modernc.org/sqlite"
 _ "pgregory.net/rapid"
)
