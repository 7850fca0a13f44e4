package nbd

import (
	"context"
	"fmt"
)

// Read fills p from the byte offset off. It is all or an error: an *OpError
// from the server, ErrOutOfRange, the context's error, or why the connection
// ended. After an error the contents of p are undefined.
func (d *Disk) Read(ctx context.Context, p []byte, off int64) error {
	return d.read(ctx, p, off, 0)
}

// ReadUnfragmented is Read with NBD_CMD_FLAG_DF: the server answers each
// request with one piece of data, or with EOVERFLOW where it can't. A long
// call is several requests all the same. Without FlagSendDF the error is an
// *OpError with ENOTSUP.
func (d *Disk) ReadUnfragmented(ctx context.Context, p []byte, off int64) error {
	if err := d.offers("read", FlagSendDF); err != nil {
		return err
	}
	return d.read(ctx, p, off, FlagDF)
}

func (d *Disk) read(ctx context.Context, p []byte, off int64, f Flags) error {
	if err := d.checkRange("read", off, int64(len(p))); err != nil {
		return err
	}
	return d.inFlight(ctx, d.spans(off, int64(len(p)), d.piece), func(s span) (*request, error) {
		return readRequest(s, p, f), nil
	})
}

// Write stores p at the byte offset off. FlagFUA asks that it be durable on
// return; where the server has no FUA a Flush does it, and where it has neither
// the error is an *OpError with ENOTSUP. p is copied. Besides the errors of
// Read: ErrReadOnly, ErrUnknownOutcome.
func (d *Disk) Write(ctx context.Context, p []byte, off int64, f Flags) error {
	if err := d.checkWrite("write", off, int64(len(p)), f, FlagFUA); err != nil {
		return err
	}
	err := d.inFlight(ctx, d.spans(off, int64(len(p)), d.piece), func(s span) (*request, error) {
		return d.writeRequest(ctx, s, d.offered(f), func(dst []byte) { copy(dst, s.of(p)) })
	})
	return d.durable(ctx, f, err)
}

// Flush makes every write durable that was answered before the call. On a
// read-only disk it does nothing. Where the server offers no flush the error
// is an *OpError with ENOTSUP: nothing can be promised then.
func (d *Disk) Flush(ctx context.Context) error {
	if d.readOnly {
		return nil
	}
	if err := d.offers("flush", FlagSendFlush); err != nil {
		return err
	}
	return d.inFlight(ctx, once(span{}), func(span) (*request, error) {
		return &request{op: "flush", cmd: cmdFlush}, nil
	})
}

// Trim gives the space of length bytes at off back, NBD_CMD_TRIM: what they
// read as is undefined until they are written again. Blocks that the range
// covers in part stay as they are. FlagFUA is as with Write. Without
// FlagSendTrim the error is an *OpError with ENOTSUP.
func (d *Disk) Trim(ctx context.Context, off, length int64, f Flags) error {
	if err := d.checkWrite("trim", off, length, f, FlagFUA); err != nil {
		return err
	}
	if err := d.offers("trim", FlagSendTrim); err != nil {
		return err
	}
	err := d.inFlight(ctx, d.spans(off, length, d.effectPiece()), func(s span) (*request, error) {
		if !s.whole() {
			return nil, nil
		}
		return d.effectRequest(ctx, "trim", cmdTrim, s, d.offered(f))
	})
	return d.durable(ctx, f, err)
}

// WriteZeroes makes length bytes at off read as zeroes, NBD_CMD_WRITE_ZEROES.
// With FlagNoHole they stay allocated; with FlagFastZero the error is ENOTSUP
// where the server is no faster than a write. FlagFUA is as with Write. Without
// FlagSendWriteZeroes, or FlagSendFastZero, the error is an *OpError with
// ENOTSUP.
func (d *Disk) WriteZeroes(ctx context.Context, off, length int64, f Flags) error {
	const op = "write of zeroes"
	if err := d.checkWrite(op, off, length, f, FlagFUA|FlagNoHole|FlagFastZero); err != nil {
		return err
	}
	needs := FlagSendWriteZeroes
	if f&FlagFastZero != 0 {
		needs |= FlagSendFastZero
	}
	if err := d.offers(op, needs); err != nil {
		return err
	}
	err := d.inFlight(ctx, d.spans(off, length, d.effectPiece()), func(s span) (*request, error) {
		if !s.whole() {
			return d.writeRequest(ctx, s, d.offered(f)&FlagFUA, func(dst []byte) { clear(dst) })
		}
		return d.effectRequest(ctx, op, cmdWriteZeroes, s, d.offered(f))
	})
	return d.durable(ctx, f, err)
}

// Cache asks the server to fetch length bytes at off in advance,
// NBD_CMD_CACHE. An error says nothing about a later Read. Without
// FlagSendCache it is an *OpError with ENOTSUP.
func (d *Disk) Cache(ctx context.Context, off, length int64) error {
	if err := d.checkRange("cache", off, length); err != nil {
		return err
	}
	if err := d.offers("cache", FlagSendCache); err != nil {
		return err
	}
	return d.inFlight(ctx, d.spans(off, length, d.piece), func(s span) (*request, error) {
		return &request{op: "cache", cmd: cmdCache, offset: s.lo, length: s.hi - s.lo}, nil
	})
}

// offers refuses a command whose transmission flags the export has not set.
// Nothing may be sent then.
func (d *Disk) offers(op string, needs TransmissionFlags) error {
	if d.info.Flags&needs == needs {
		return nil
	}
	return &OpError{Op: op, Errno: ENOTSUP}
}

// checkWrite refuses what can't be meant, before anything is sent.
func (d *Disk) checkWrite(op string, off, length int64, f, known Flags) error {
	if d.readOnly {
		return fmt.Errorf("%w (export %q)", ErrReadOnly, d.info.Name)
	}
	if f&^known != 0 {
		return fmt.Errorf("nbd: %s: flags %#x mean nothing here: %w", op, uint16(f&^known), EINVAL)
	}
	if d.offered(f) != f { // a Flush would have to do it
		if err := d.offers(op, FlagSendFlush); err != nil {
			return err
		}
	}
	return d.checkRange(op, off, length)
}

// offered takes FUA out of the flags where the server has none.
func (d *Disk) offered(f Flags) Flags {
	if d.info.Flags&FlagSendFUA == 0 {
		f &^= FlagFUA
	}
	return f
}

// durable keeps the promise of FUA where the server has none.
func (d *Disk) durable(ctx context.Context, f Flags, err error) error {
	if err == nil && d.offered(f) != f {
		return d.Flush(ctx)
	}
	return err
}
