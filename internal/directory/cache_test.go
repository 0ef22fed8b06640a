package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/pay"
)

func TestRowsAreReadAgainAfterTenSeconds(t *testing.T) {
	t.Parallel()
	d, m, c := newDirectory(t)
	if err := d.Seed(t.Context(), sample("")); err != nil {
		t.Fatal(err)
	}
	id := "sz01TESTSUBMCH000001"
	read := func() *Merchant {
		got, err := d.Merchant(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first, n := read(), m.count()
	c.advance(freshFor - time.Millisecond)
	if read() != first || m.count() != n {
		t.Error("a fresh row was read again")
	}
	m.mu.Lock()
	r := row[MerchantRow](m, object{"merchant", id})
	r.Disabled = true
	m.rows[r.object()] = r
	m.mu.Unlock()
	c.advance(time.Millisecond)
	if !read().Disabled {
		t.Error("an old row was served after ten seconds")
	}
}

// TestAMerchantDoesNotGrowWithoutEnd: whoever has its key can add shops and
// people by set_sub_mch_shop_info, and all of them are read together.
func TestAMerchantDoesNotGrowWithoutEnd(t *testing.T) {
	t.Parallel()
	d, m, _ := newDirectory(t)
	if err := d.Seed(t.Context(), sample("")); err != nil {
		t.Fatal(err)
	}
	ctx, id, by := t.Context(), "sz01TESTSUBMCH000001", Actor{Kind: ByMerchant, ID: "sz01TESTSUBMCH000001"}
	mine, err := d.fresh(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	shop := mine.Shops[0].ID
	there := mine.rows.below()
	m.mu.Lock()
	for i := range MaxBelow - there - 1 { // dead ones count: they are read too
		r := StaffRow{MerchantID: id, ShopID: shop, ID: fmt.Sprint("gone", i), Profile: "{}", Times: Times{DeletedAt: time.Unix(1, 0)}}
		m.rows[r.object()] = r
	}
	m.mu.Unlock()
	if _, err := d.AddStaff(ctx, by, id, shop, Staff{ID: "last", Name: "x"}); err != nil {
		t.Fatalf("the last that has room: %v", err)
	}
	if _, err := d.AddStaff(ctx, by, id, shop, Staff{ID: "surplus", Name: "x"}); !errors.Is(err, pay.ErrInvalid) || !strings.Contains(err.Error(), "merchant_too_large") {
		t.Errorf("one more: %v", err)
	}
	if err := d.DeleteStaff(ctx, by, id, shop, "last"); err != nil {
		t.Errorf("a full merchant cannot be cleared up: %v", err)
	}
	if _, err := d.AddStaff(ctx, by, id, shop, Staff{ID: "last", Name: "again"}); err != nil {
		t.Errorf("a row that is there already is used again: %v", err)
	}
}

// TestADisabledMerchantIsReadOnce: its tills go on asking, and each of their
// requests fails the check after which Newer is called.
func TestADisabledMerchantIsReadOnce(t *testing.T) {
	t.Parallel()
	d, m, _ := newDirectory(t)
	if err := d.Seed(t.Context(), sample("")); err != nil {
		t.Fatal(err)
	}
	ctx, id := t.Context(), "sz01TESTSUBMCH000001"
	disable := func(merchant *Merchant) error { merchant.Disabled = true; return nil }
	if _, err := d.UpdateMerchant(ctx, System, id, disable); err != nil {
		t.Fatal(err)
	}
	ask := func() (loads int) {
		n := m.count()
		old, known, err := d.Claimed(ctx, id)
		if err != nil || known {
			t.Fatalf("known %v, %v", known, err)
		}
		if _, known, changed, err := d.Newer(ctx, id, old); err != nil || known || changed {
			t.Errorf("known %v, changed %v, %v", known, changed, err)
		}
		return m.count() - n
	}
	ask()
	if got := ask(); got > 1 {
		t.Errorf("%d loads for a request, want the version at most", got)
	}
	other, err := New(m, m, newKeyring(t, "k"), d.clock)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.UpdateMerchant(ctx, System, id, func(merchant *Merchant) error { merchant.Disabled = false; return nil }); err != nil {
		t.Fatal(err)
	}
	old, _, err := d.Claimed(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, known, changed, err := d.Newer(ctx, id, old); err != nil || !known || !changed {
		t.Errorf("enabled by another process: known %v, changed %v, %v", known, changed, err)
	}
}

func TestAbsenceIsRememberedForTwoSeconds(t *testing.T) {
	t.Parallel()
	d, m, c := newDirectory(t)
	look := func() error { _, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000002"); return err }
	if err := look(); !errors.Is(err, pay.ErrNotFound) {
		t.Fatal(err)
	}
	n := m.count()
	c.advance(absentFor - time.Millisecond)
	if err := look(); !errors.Is(err, pay.ErrNotFound) || m.count() != n {
		t.Errorf("absence was looked up again: %v", err)
	}
	other, err := New(m, m, newKeyring(t, "k"), c.now) // another process
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Seed(t.Context(), sample("")); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Millisecond)
	if err := look(); err != nil {
		t.Errorf("a new merchant is not found after two seconds: %v", err)
	}
}

func TestErrorsAreNotRemembered(t *testing.T) {
	t.Parallel()
	d, m, _ := newDirectory(t)
	if err := d.Seed(t.Context(), sample("")); err != nil {
		t.Fatal(err)
	}
	m.err = errors.New("disk on fire")
	if _, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001"); err == nil || errors.Is(err, pay.ErrNotFound) {
		t.Errorf("Merchant with a broken store = %v, want its error", err)
	}
	m.err = nil
	if _, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001"); err != nil {
		t.Errorf("the error was kept: %v", err)
	}
}

func TestManyCallersShareOneLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, m, _ := newDirectory(t)
		if err := d.Seed(t.Context(), sample("")); err != nil {
			t.Fatal(err)
		}
		m.gate, m.loads = make(chan struct{}), 0
		dying, kill := context.WithCancel(t.Context())
		got := make(chan error, 16)
		for i := range 16 {
			ctx := t.Context()
			if i == 0 || i == 7 {
				ctx = dying
			}
			go func() {
				_, err := d.Merchant(ctx, "sz01TESTSUBMCH000001")
				got <- err
			}()
		}
		synctest.Wait()
		if n := m.count(); n != 1 {
			t.Errorf("%d loads are under way, want 1", n)
		}
		kill() // the request that began the load may die: others wait for it
		synctest.Wait()
		close(m.gate)
		good := 0
		for range 16 {
			switch err := <-got; {
			case err == nil:
				good++
			case !errors.Is(err, context.Canceled):
				t.Error(err)
			}
		}
		if good < 14 {
			t.Errorf("%d callers were answered, want at least 14", good)
		}
		if n := m.count(); n != 2 {
			t.Errorf("%d loads in all, want merchant and provider", n)
		}
	})
}

func TestALoadThatHangsEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, m, _ := newDirectory(t)
		m.gate = make(chan struct{})
		start := time.Now()
		_, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != loadLimit {
			t.Errorf("Merchant = %v after %v, want the deadline after %v", err, time.Since(start), loadLimit)
		}
	})
}

func TestForgetDuringALoadKeepsNothingOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, m, _ := newDirectory(t)
		if err := d.Seed(t.Context(), sample("")); err != nil {
			t.Fatal(err)
		}
		m.gate = make(chan struct{})
		done := make(chan error, 1)
		go func() {
			_, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001")
			done <- err
		}()
		synctest.Wait()
		d.Forget()
		close(m.gate)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		n := m.count()
		if _, err := d.Merchant(t.Context(), "sz01TESTSUBMCH000001"); err != nil || m.count() == n {
			t.Errorf("what was read before Forget is still served: %v", err)
		}
	})
}

func TestAPanickingLoadFreesThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		c := newCache(time.Now, func(context.Context, string) (int, error) {
			<-gate
			panic("boom")
		})
		waiting := make(chan error, 1)
		go func() {
			defer func() { _ = recover() }()
			_, _ = c.get(t.Context(), "k")
		}()
		synctest.Wait()
		go func() {
			_, err := c.get(t.Context(), "k")
			waiting <- err
		}()
		synctest.Wait()
		close(gate)
		if err := <-waiting; !errors.Is(err, errLoadDied) {
			t.Errorf("the one who waits is told %v, want %v", err, errLoadDied)
		}
	})
}

func TestMemoryStaysBounded(t *testing.T) {
	t.Parallel()
	clk := &clock{t: time.Unix(0, 0)}
	c := newCache(clk.now, func(_ context.Context, key string) (string, error) {
		if strings.HasPrefix(key, "no") {
			return "", pay.ErrNotFound
		}
		return key, nil
	})
	for i := range 3 * maxKept {
		if v, err := c.get(t.Context(), fmt.Sprint("yes", i)); err != nil || v != fmt.Sprint("yes", i) {
			t.Fatal(v, err)
		}
		_, _ = c.get(t.Context(), fmt.Sprint("no", i))
	}
	if len(c.kept) > maxKept || len(c.absent) > maxAbsent {
		t.Errorf("%d kept and %d absent, want at most %d and %d", len(c.kept), len(c.absent), maxKept, maxAbsent)
	}
	clk.advance(time.Minute)
	_, _ = c.get(t.Context(), "yes")
	if len(c.kept) != 1 {
		t.Errorf("%d kept after all but one expired, want 1", len(c.kept))
	}
}
