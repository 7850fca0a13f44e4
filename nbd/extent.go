package nbd

// An Extent is a run of bytes with one status in one metadata context.
type Extent struct {
	Offset int64  // bytes
	Length int64  // bytes, never 0
	Status uint64 // in "base:allocation", StateHole and StateZero; 32 bits of it but with FramingExtended
}
