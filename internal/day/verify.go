package day

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Trust is what whoever verifies a file knows beforehand.
type Trust struct {
	// Key is the key that the first record must be signed by; nil takes the one
	// that it names, which shows damage and no forgery.
	Key ed25519.PublicKey
	// Previous is the hash of the day before the first, "" for a whole chain: one
	// that begins with day number 1.
	Previous string
}

// Verified is what a file was found to hold.
type Verified struct {
	Merchant    string
	Days        int64
	First, Last string // dates
	LastNumber  int64
	LastHash    string
	LastKey     string // base64, the key in use at the end
	Unbalanced  []string
}

// maxUnbalanced is how many days that do not balance are named.
const maxUnbalanced = 100

// Verify reads a file to its end and reports the first thing that is wrong with
// it: a byte that was changed, a signature or a key that does not fit, a day that
// is missing, twice or in the wrong place, another merchant's. It needs no
// database. f, which may be nil, is called with every record that is good. A
// file that was cut behind a day is whole up to there: compare the last day
// and its hash with what you know.
func Verify(r io.Reader, t Trust, f func(Record) error) (Verified, error) {
	var v Verified
	key := t.Key
	in := bufio.NewReaderSize(r, 64<<10)
	for line := int64(1); ; line++ {
		raw, err := readLine(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && line > maxDays {
			err = errors.New("there are too many days")
		}
		var rec Record
		if err == nil {
			rec, key, err = v.next(raw, key, t)
		}
		if err == nil && f != nil {
			err = f(rec)
		}
		if err != nil {
			return v, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if v.Days == 0 {
		return v, errors.New("the file holds no day")
	}
	return v, nil
}

// readLine reads a line with its end; io.EOF says that there is none.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > maxLine {
			return nil, fmt.Errorf("it has more than %d bytes", maxLine)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, errors.New("it was cut off: its end is missing")
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// Parse reads one line of a file and checks its form and its signature, not its
// place in a chain.
func Parse(line []byte) (Signed, Record, error) {
	var l signedLine
	var s Signed
	var rec Record
	if err := json.Unmarshal(line, &l); err != nil {
		return s, rec, errors.New("it is not the JSON of a closed day")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(l.Signature)
	if err != nil {
		return s, rec, errors.New("its signature is not base64")
	}
	s = Signed{l.Day, signature}
	dec := json.NewDecoder(bytes.NewReader(l.Day))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rec); err != nil {
		return s, rec, errors.New("its day is not one that this program knows")
	}
	if rec.Form != Form {
		return s, rec, fmt.Errorf("its form %.40q is not %s", rec.Form, Form)
	}
	again, err := canonical(rec)
	if err != nil || !bytes.Equal(again, l.Day) {
		return s, rec, errors.New("its day is not written canonically: it was changed")
	}
	if whole, err := s.Line(); err != nil || !bytes.Equal(whole, line) {
		return s, rec, errors.New("it is not written canonically: it was changed")
	}
	key, err := ParseKey(rec.Key)
	if err != nil {
		return s, rec, err
	}
	if !ed25519.Verify(key, s.Bytes, s.Signature) {
		return s, rec, errors.New("its signature does not fit: it was changed, or signed by somebody else")
	}
	return s, rec, nil
}

// next takes the next line and returns the key in use behind it.
func (v *Verified) next(raw []byte, key ed25519.PublicKey, t Trust) (Record, ed25519.PublicKey, error) {
	s, rec, err := Parse(raw)
	if err != nil {
		return rec, key, err
	}
	from, _, err := ParseDate(rec.Date)
	if err != nil {
		return rec, key, err
	}
	own, err := ParseKey(rec.Key)
	if err != nil {
		return rec, key, err
	}
	switch {
	case key == nil: // nobody said which
	case !sameKey(key, own):
		if !endorsed(key, own, rec.Endorsement) {
			return rec, key, fmt.Errorf("day %s is signed by the key %s, which is not the one that must be: %s", rec.Date, rec.Key, base64.StdEncoding.EncodeToString(key))
		}
	}
	if v.Days == 0 {
		if err := v.begins(rec, t); err != nil {
			return rec, key, err
		}
	} else {
		switch {
		case rec.Merchant != v.Merchant:
			return rec, key, fmt.Errorf("day %s is of merchant %.40q, the file of %.40q", rec.Date, rec.Merchant, v.Merchant)
		case rec.Number != v.LastNumber+1 || DateOf(from) != nextDate(v.Last):
			return rec, key, fmt.Errorf("day %d (%s) follows day %d (%s): one is missing, twice or in the wrong place", rec.Number, rec.Date, v.LastNumber, v.Last)
		case rec.Previous != v.LastHash:
			return rec, key, fmt.Errorf("day %s names another day before it than the one that stands there", rec.Date)
		}
	}
	v.Days++
	v.Last, v.LastNumber, v.LastHash, v.LastKey = rec.Date, rec.Number, s.Hash(), rec.Key
	if !rec.Balanced && len(v.Unbalanced) < maxUnbalanced {
		v.Unbalanced = append(v.Unbalanced, rec.Date)
	}
	return rec, own, nil
}

// begins checks the first record of a file.
func (v *Verified) begins(rec Record, t Trust) error {
	switch {
	case t.Previous == "" && (rec.Number != 1 || rec.Previous != ""):
		return fmt.Errorf("the file begins with day %d (%s): the days before it are missing", rec.Number, rec.Date)
	case t.Previous != "" && rec.Previous != t.Previous:
		return fmt.Errorf("day %s names another day before it than the one you gave", rec.Date)
	}
	v.Merchant, v.First = rec.Merchant, rec.Date
	return nil
}

func sameKey(a, b ed25519.PublicKey) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// endorsed reports whether a key has said that another follows it.
func endorsed(by, next ed25519.PublicKey, endorsement string) bool {
	sig, err := base64.StdEncoding.Strict().DecodeString(endorsement)
	return err == nil && ed25519.Verify(by, EndorsedBytes(next), sig)
}
