package fs

// lznt1Chunk is what is compressed by itself.
const lznt1Chunk = 4096

// lznt1 decompresses a unit of NTFS into p, and fills what is left with zeroes.
func lznt1(p, packed []byte) error {
	for len(p) > 0 {
		n := min(lznt1Chunk, len(p))
		if len(packed) < 2 || le.Uint16(packed) == 0 {
			clear(p)
			return nil
		}
		head := le.Uint16(packed)
		size := int(head&0xfff) + 1
		if size > len(packed)-2 {
			return damaged("a compressed chunk of %d bytes, where %d are left", size, len(packed)-2)
		}
		chunk := packed[2 : 2+size]
		if head&0x8000 == 0 {
			clear(p[copy(p[:n], chunk):n])
		} else if err := lznt1Unpack(p[:n], chunk); err != nil {
			return err
		}
		p, packed = p[n:], packed[2+size:]
	}
	return nil
}

// lznt1Unpack decompresses one chunk. Each flag byte says of eight tokens which
// are literal bytes and which go back to what was written.
func lznt1Unpack(p, chunk []byte) error {
	n := 0
	for len(chunk) > 0 && n < len(p) {
		flags := chunk[0]
		chunk = chunk[1:]
		for bit := 0; bit < 8 && len(chunk) > 0 && n < len(p); bit++ {
			if flags>>bit&1 == 0 {
				p[n] = chunk[0]
				n, chunk = n+1, chunk[1:]
				continue
			}
			if len(chunk) < 2 {
				return damaged("a compressed chunk ends within a token")
			}
			length, back := lznt1Token(le.Uint16(chunk), n)
			if back > n {
				return damaged("a compressed chunk goes back %d bytes from %d", back, n)
			}
			for end := min(n+length, len(p)); n < end; n++ {
				p[n] = p[n-back]
			}
			chunk = chunk[2:]
		}
	}
	clear(p[n:])
	return nil
}

// lznt1Token splits a token: the further into the chunk, the more of its bits
// are distance.
func lznt1Token(token uint16, at int) (length, back int) {
	shift := 12
	for i := at - 1; i >= 0x10; i >>= 1 {
		shift--
	}
	return int(token&(1<<shift-1)) + 3, int(token>>shift) + 1
}
