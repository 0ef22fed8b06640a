package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

// keyCmd manages merchants' keys.
type keyCmd struct {
	List     keyListCmd     `cmd:"" help:"List a merchant's keys: fingerprints and dates only."`
	Rotate   keyRotateCmd   `cmd:"" help:"Replace keys; during --grace the old ones work too."`
	EndGrace keyEndGraceCmd `cmd:"" name:"end-grace" help:"End the old keys now."`
	Make     keyMakeCmd     `cmd:"" help:"Make a signing key pair on this machine, for merchant add --public-key-file elsewhere."`
}

type keyListCmd struct{ merchantArg }

// Run lists the keys.
func (c *keyListCmd) Run(ctx context.Context, e env) error {
	return c.listAll(ctx, e, c.path("keys"), []column{
		{"编号", "id"}, {"种类", "kind"}, {"指纹", "fingerprint"}, {"当前", "current"}, {"可用", "verifies"}, {"启用", "created_at"}, {"停用", "ends_at"}, {"首次使用", "seen_at"},
	})
}

type keyRotateCmd struct {
	merchantArg
	Authen        bool          `name:"authen" help:"Make a new authen_key."`
	AuthenKeyFile string        `name:"authen-key-file" placeholder:"FILE" help:"Take an authen_key that was made elsewhere, - for standard input."`
	DropPublicKey bool          `name:"drop-public-key" help:"Remove the public key."`
	Grace         time.Duration `name:"grace" default:"0s" help:"How long the old keys go on working, whole minutes up to 720h; 0 ends them at once."`
	keyFlags
}

// Run replaces the keys and prints the new one, for the only time.
func (c *keyRotateCmd) Run(ctx context.Context, e env) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Grace < 0 || c.Grace%time.Minute != 0 {
		return usage("--grace %v: give whole minutes", c.Grace)
	}
	b := body{"new_authen_key": c.Authen, "drop_public_key": c.DropPublicKey, "grace_minutes": int64(c.Grace / time.Minute)}
	if c.AuthenKeyFile != "" {
		key, err := readSecret(e, c.AuthenKeyFile, maxToken)
		if err != nil {
			return err
		}
		b["authen_key"] = key
	}
	return c.with(ctx, e, func(i *installation) error {
		public, err := c.public()
		if err != nil {
			return err
		}
		if public != "" {
			b["public_key_pem"] = public
		}
		raw, err := i.call(ctx, http.MethodPost, c.path("keys"), b)
		if err != nil {
			return err
		}
		raw, err = c.keep(raw)
		return errors.Join(err, c.print(e, raw))
	})
}

type keyEndGraceCmd struct{ merchantArg }

// Run ends the old keys.
func (c *keyEndGraceCmd) Run(ctx context.Context, e env) error {
	return c.send(ctx, e, http.MethodDelete, c.path("keys", "old"), nil)
}

// keyMakeCmd makes a key pair without any installation.
type keyMakeCmd struct {
	PrivateKeyTo string `name:"private-key-to" required:"" placeholder:"FILE" help:"New file of mode 0600 for the private key."`
	PublicKeyTo  string `name:"public-key-to" required:"" placeholder:"FILE" help:"New file for the public key."`
}

// Run writes both halves.
func (c *keyMakeCmd) Run(e env) error {
	private, public, err := newKeyPair()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path    string
		content []byte
	}{{c.PrivateKeyTo, private}, {c.PublicKeyTo, []byte(public)}} {
		if err := writeSecret(f.path, f.content); errors.Is(err, os.ErrExist) {
			return usage("%s exists: a key is never written over another", f.path)
		} else if err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(e.stdout, "%s\n%s\n", c.PrivateKeyTo, c.PublicKeyTo)
	return err
}

// newKeyPair makes an RSA key of 2048 bits (protocol.md §1.3) and returns both
// halves in PEM.
func newKeyPair() (private []byte, public string, err error) {
	const bits = 2048
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, "", fmt.Errorf("make a key pair: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, "", fmt.Errorf("make a key pair: %w", err)
	}
	pub, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, "", fmt.Errorf("make a key pair: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})), nil
}

// merchantTillCmd writes an account file for the shell's till.
type merchantTillCmd struct {
	merchantArg
	Shop           string `name:"shop" required:"" help:"out_shop_id."`
	Device         string `name:"device" required:"" help:"device_id."`
	Staff          string `name:"staff" help:"staff_id."`
	AuthenKeyFile  string `name:"authen-key-file" required:"" placeholder:"FILE" help:"The merchant's authen_key, - for standard input."`
	PrivateKeyFile string `name:"private-key-file" placeholder:"FILE" help:"The merchant's private key, if it signs."`
	API            string `name:"api" required:"" placeholder:"URL" help:"Where the till finds the server."`
	To             string `name:"to" required:"" placeholder:"FILE" help:"New file of mode 0600."`
}

// Run reads name and prefixes of the merchant and writes the file.
func (c *merchantTillCmd) Run(ctx context.Context, e env) error {
	authen, err := readSecret(e, c.AuthenKeyFile, maxToken)
	if err != nil {
		return err
	}
	private := ""
	if c.PrivateKeyFile != "" {
		if private, err = readSecret(e, c.PrivateKeyFile, maxKeyFile); err != nil {
			return err
		}
	}
	return c.with(ctx, e, func(i *installation) error {
		raw, err := i.call(ctx, http.MethodGet, c.path(), nil)
		if err != nil {
			return err
		}
		var m struct {
			Provider string   `json:"out_mch_id"`
			Name     string   `json:"company_name"`
			Prefixes []string `json:"cloud_cashier_ids"`
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		file, err := json.MarshalIndent(demoFile{API: c.API, Merchants: []demoMerchant{{
			Name: m.Name, OutMchID: m.Provider, OutSubMchID: c.Merchant, OutShopID: c.Shop, DeviceID: c.Device, StaffID: c.Staff,
			Prefixes: m.Prefixes, AuthenKey: authen, PrivateKeyPEM: private,
		}}}, "", "  ")
		if err != nil {
			return err
		}
		if err := writeSecret(c.To, append(file, '\n')); err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.stdout, "cloudpay pay --account %s --amount 0.01 --auth-code CODE\n", c.To)
		return err
	})
}
