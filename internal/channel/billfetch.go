package channel

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
)

// ErrBillTooLong says that a bill is longer than MaxBill, before or after its
// compression.
var ErrBillTooLong = errors.New("the bill is longer than 256 MiB; ask for its merchants one by one")

// ErrBillDamaged says that a compressed bill does not decompress.
var ErrBillDamaged = errors.New("the compressed bill is damaged")

// Fetch sends a request once and returns the answer's status and body, at most
// limit bytes, for answers that are files. The error is always a LostError.
// Redirects are not followed. BillTimeout and ctx bound it.
func (p *Poster) Fetch(ctx context.Context, req *http.Request, limit int64) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, BillTimeout)
	defer cancel()
	client := http.Client{Transport: p.client.Transport, CheckRedirect: p.client.CheckRedirect}
	req = req.WithContext(ctx)
	req.GetBody = nil // as in Post
	req.Header.Set("User-Agent", "cloudpay")
	resp, err := client.Do(req) //nolint:gosec // the adapters name only the account's own host, or those of the wallet
	if err != nil {
		return 0, nil, lossOf(ctx, err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return 0, nil, lossOf(ctx, err)
	case int64(len(body)) > limit:
		return 0, nil, ErrTooLong
	}
	return resp.StatusCode, body, nil
}

// Gunzip returns the content of a gzip file, at most MaxBill bytes.
func Gunzip(raw []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, ErrBillDamaged
	}
	return ReadBill(z, MaxBill)
}

// ReadBill reads a decompressed bill to its end, at most limit bytes, which is
// MaxBill or what is left of it.
func ReadBill(r io.Reader, limit int64) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return nil, ErrBillDamaged
	case int64(len(out)) > limit:
		return nil, ErrBillTooLong
	}
	return out, nil
}
