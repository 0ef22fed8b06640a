package directory

import (
	"context"

	"cloudpay/internal/pay"
)

// AddDevice adds a device to a shop. Its place among the terminals of the
// merchant is allocated. An id that a deleted device had may be used again;
// the terminal must then be bound again (R10).
func (d *Directory) AddDevice(ctx context.Context, by Actor, merchantID, shopID string, v Device) (Device, error) {
	v.SN = "" // only a binding sets it
	s, err := d.changeShop(ctx, by, "device.add", merchantID, shopID, func(s *Shop) error {
		if _, ok := s.Device(v.ID); ok {
			return pay.Refuse(pay.ErrConflict, "device_exists", "该门店已有同编号的设备 device_id")
		}
		s.Devices = append(s.Devices, v)
		return nil
	})
	made, _ := s.Device(v.ID)
	return made, err
}

// UpdateDevice applies edit to a device. Edit changes neither its id nor its
// binding: Bind and Unbind do.
func (d *Directory) UpdateDevice(ctx context.Context, by Actor, merchantID, shopID, id string, edit func(*Device) error) (Device, error) {
	return d.changeDevice(ctx, by, "device.update", merchantID, shopID, id, func(_ *Shop, v *Device) error {
		was := *v
		err := edit(v)
		v.SN = was.SN
		v.Profile.BoundMS, v.Profile.BoundKeyID = was.Profile.BoundMS, was.Profile.BoundKeyID
		v.Profile.BoundStaffID, v.Profile.BoundByFactory = was.Profile.BoundStaffID, was.Profile.BoundByFactory
		v.Profile.PastSeats = was.Profile.PastSeats
		return err
	})
}

func (d *Directory) changeDevice(ctx context.Context, by Actor, action, merchantID, shopID, id string, edit func(*Shop, *Device) error) (Device, error) {
	s, err := d.changeShop(ctx, by, action, merchantID, shopID, func(s *Shop) error {
		i := indexOf(s.Devices, id, deviceID)
		if i < 0 {
			return notFound("device")
		}
		err := edit(s, &s.Devices[i])
		s.Devices[i].ID = id
		return err
	})
	v, _ := s.Device(id)
	return v, err
}

// DeleteDevice deletes a device. Its terminal must be bound again to another
// (R10).
func (d *Directory) DeleteDevice(ctx context.Context, by Actor, merchantID, shopID, id string) error {
	_, err := d.changeShop(ctx, by, "device.delete", merchantID, shopID, func(s *Shop) error {
		if _, ok := s.Device(id); !ok {
			return notFound("device")
		}
		s.Devices = removed(s.Devices, id, deviceID)
		return nil
	})
	return err
}

// UnbindDevice takes a terminal off a device's record, so that another may be
// bound. sn, unless it is "", must be the one that is bound. Unbinding what is
// not bound changes nothing.
func (d *Directory) UnbindDevice(ctx context.Context, by Actor, merchantID, shopID, id, sn string) error {
	_, err := d.changeDevice(ctx, by, "device.unbind", merchantID, shopID, id, func(_ *Shop, v *Device) error {
		if v.SN == "" {
			return errNothing
		}
		if sn != "" && sn != v.SN {
			return pay.Refuse(pay.ErrConflict, "device_bound_to_other", "设备绑定的 sn_code 与请求不符")
		}
		unbind(v)
		return nil
	})
	return err
}

func unbind(d *Device) {
	d.SN = ""
	d.Profile.BoundMS, d.Profile.BoundKeyID, d.Profile.BoundStaffID, d.Profile.BoundByFactory = 0, "", "", false
}

// bindTo binds a terminal to a record (R9): the same one as often as it likes,
// another one never.
func bindTo(d *Device, sn, keyID, staffID string, nowMS int64) error {
	if d.SN != "" && d.SN != sn {
		return errBound()
	}
	if d.SN == sn && d.Profile.BoundKeyID == keyID && d.Profile.BoundStaffID == staffID {
		return errNothing
	}
	d.SN = sn
	d.Profile.BoundMS, d.Profile.BoundKeyID, d.Profile.BoundStaffID = nowMS, keyID, staffID
	return nil
}
