package day

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"cloudpay/internal/store"
)

const daysPage = 8 // records that are read at once: a few KiB of ordinary days, and none has more than 16 MiB

// signedOf is a closed day as it was signed.
func signedOf(d store.ClosedDay) (Signed, error) {
	signature, err := base64.StdEncoding.DecodeString(d.Signature)
	if err != nil {
		return Signed{}, fmt.Errorf("the signature of %s is not base64", d.Date)
	}
	return Signed{[]byte(d.Record), signature}, nil
}

// Show reads the record of one closed day and its hash, or returns an error that
// wraps pay.ErrNotFound.
func (d *Days) Show(ctx context.Context, merchantID, date string) (Record, string, error) {
	var rec Record
	row, err := d.c.Store.Day(ctx, merchantID, date)
	if err != nil {
		return rec, "", err
	}
	if err := json.Unmarshal([]byte(row.Record), &rec); err != nil {
		return rec, "", fmt.Errorf("read closed day %s: %w", date, err)
	}
	return rec, row.Hash, nil
}

// Each calls f with every closed day of a merchant, oldest first.
func (d *Days) Each(ctx context.Context, merchantID string, f func(store.ClosedDay) error) error {
	return d.behind(ctx, merchantID, 0, math.MaxInt64, f)
}

// behind calls f with the closed days behind a number, oldest first, most of them at
// most.
func (d *Days) behind(ctx context.Context, merchantID string, after, most int64, f func(store.ClosedDay) error) error {
	for most > 0 {
		page, err := d.c.Store.Days(ctx, merchantID, after, int(min(most, daysPage)))
		if err != nil {
			return err
		}
		for _, row := range page {
			if err := f(row); err != nil {
				return err
			}
			after = row.Number
		}
		if len(page) < daysPage {
			return nil
		}
		most -= daysPage
	}
	return nil
}

// Export writes all closed days of a merchant as a file (see the package) and
// returns how many there are. It writes what was signed, byte for byte, and does
// not look at it: Verify does.
func (d *Days) Export(ctx context.Context, merchantID string, w io.Writer) (n int64, err error) {
	return d.ExportBehind(ctx, merchantID, 0, math.MaxInt64, w)
}

// ExportBehind is Export for the days behind a number, most of them at most. Who
// verifies such a file says the hash of the day before it.
func (d *Days) ExportBehind(ctx context.Context, merchantID string, after, most int64, w io.Writer) (n int64, err error) {
	err = d.behind(ctx, merchantID, after, most, func(row store.ClosedDay) error {
		s, err := signedOf(row)
		if err != nil {
			return err
		}
		line, err := s.Line()
		if err != nil {
			return err
		}
		n++
		_, err = w.Write(line)
		return err
	})
	if err != nil {
		return n, fmt.Errorf("export closed days of merchant %s: %w", merchantID, err)
	}
	return n, nil
}
