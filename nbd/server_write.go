package nbd

import "errors"

// zeroes are what a device without a better way gets.
var zeroes [1 << 20]byte

func (t *transmission) write(q *serverRequest) ([]byte, error) {
	_, err := t.export.Device.WriteAt(q.payload, int64(q.offset))
	return t.written(q, err)
}

func (t *transmission) flush(q *serverRequest) ([]byte, error) {
	return nil, t.export.Device.Sync()
}

func (t *transmission) trim(q *serverRequest) (frame []byte, err error) {
	if q.length > 0 {
		err = t.export.Device.(Trimmer).Trim(int64(q.offset), int64(q.length))
	}
	return t.written(q, err)
}

func (t *transmission) cache(q *serverRequest) (frame []byte, err error) {
	if q.length > 0 {
		err = t.export.Device.(Cacher).Cache(int64(q.offset), int64(q.length))
	}
	return nil, err
}

// writeZeroes leaves the way to the device, if it has one. One that turns out
// not to work is no more than slow, unless the client would rather know.
func (t *transmission) writeZeroes(q *serverRequest) ([]byte, error) {
	err := error(ENOTSUP)
	if z, ok := t.export.Device.(Zeroer); ok && q.length > 0 {
		err = z.WriteZeroes(int64(q.offset), int64(q.length), q.flags&(FlagNoHole|FlagFastZero))
	}
	if errors.Is(err, ENOTSUP) && q.flags&FlagFastZero == 0 {
		err = t.writeAllZeroes(int64(q.offset), int64(q.length))
	}
	return t.written(q, err)
}

// writeAllZeroes may take long, so it ends when nobody waits for it.
func (t *transmission) writeAllZeroes(off, n int64) error {
	for end := off + n; off < end; {
		if t.gone.Err() != nil {
			return ESHUTDOWN
		}
		wrote, err := t.export.Device.WriteAt(zeroes[:min(end-off, int64(len(zeroes)))], off)
		if err != nil {
			return err
		}
		if wrote <= 0 {
			return errShort
		}
		off += int64(wrote)
	}
	return nil
}

// written makes a write durable where the client asked for that.
func (t *transmission) written(q *serverRequest, err error) ([]byte, error) {
	if err == nil && q.flags&FlagFUA != 0 {
		err = t.export.Device.Sync()
	}
	return nil, err
}
