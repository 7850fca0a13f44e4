package disk

// gptFlags are the attributes of an entry in words. Bits 48 to 63 belong to the
// partition's type: those of Microsoft's data, and of ChromeOS's kernels.
func gptFlags(bits uint64, kind string) []string {
	var flags []string
	for _, f := range gptAttributes {
		if bits>>f.bit&1 != 0 && (f.kind == "" || f.kind == kind) {
			flags = append(flags, f.name)
			bits &^= 1 << f.bit
		}
	}
	for bit := range 64 {
		if bits>>bit&1 != 0 {
			flags = append(flags, "bit "+decimal(bit))
		}
	}
	return flags
}

var gptAttributes = []struct {
	bit  int
	name string
	kind string // the type that it belongs to, or empty for all
}{
	{0, "required by the platform", ""},
	{1, "ignored by EFI", ""},
	{2, "bootable by a legacy BIOS", ""},
	{60, "read-only", typeBasicData},
	{61, "shadow copy", typeBasicData},
	{62, "hidden", typeBasicData},
	{63, "no drive letter", typeBasicData},
	{60, "read-only", typeLinux},
	{59, "grow the file system", typeLinux},
	{63, "no automatic mount", typeLinux},
	{56, "booted successfully", typeChromeKernel},
}

const (
	typeLinux        = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
	typeChromeKernel = "FE3A2A5D-4F32-41A7-B725-ACCC3285A309"
)
