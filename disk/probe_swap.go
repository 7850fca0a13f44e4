package disk

import "bytes"

// probeSwap looks at the end of the first page, whose size is that of the
// machine that made it.
func probeSwap(s *source) *Signature {
	for page := int64(4096); page <= 65536; page *= 2 {
		b := s.bytes(page-10, 10)
		switch {
		case b == nil:
			return nil
		case string(b) == "SWAPSPACE2":
			return swapSignature(s, page)
		case string(b) == "SWAP-SPACE":
			return &Signature{Kind: "swap", Name: "Linux swap", Class: ClassSwap, Offset: page - 10, Version: "0", BlockSize: page}
		case hibernated(b):
			f := swapSignature(s, page)
			if f != nil {
				f.Notes = append(f.Notes, "a hibernated system")
			}
			return f
		}
	}
	return nil
}

func hibernated(b []byte) bool {
	for _, magic := range []string{"S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001"} {
		if bytes.HasPrefix(b, []byte(magic)) {
			return true
		}
	}
	return false
}

func swapSignature(s *source, page int64) *Signature {
	f := &Signature{Kind: "swap", Name: "Linux swap", Class: ClassSwap, Offset: page - 10, Version: "1", BlockSize: page}
	b := s.bytes(1024, 44)
	if b == nil {
		return nil
	}
	last := le.Uint32(b[4:])
	if be.Uint32(b) == 1 {
		last = be.Uint32(b[4:])
	} else if le.Uint32(b) != 1 {
		return nil
	}
	f.Size, f.UUID, f.Label = sizeOf(uint64(last)+1, page), uuid(b[12:]), text(b[28:44])
	if last == 0 {
		return nil
	}
	return f
}
