package fs

import (
	"errors"
	"strings"
	"testing"
)

func TestEscape(t *testing.T) {
	for raw, want := range map[string]string{
		"plain": "plain", "né 漢😀": "né 漢😀", "a/b": `a\x2Fb`, "a\x00": `a\x00`, `a\b`: `a\\b`, "\xff\xfe": `\xFF\xFE`,
		".": `\x2E`, "..": `\x2E\x2E`, "...": "...", "\xed\xa0\xbd": `\xED\xA0\xBD`, "�": "�", "new\nline": "new\nline",
	} {
		got := Escape([]byte(raw))
		back, err := Unescape(got)
		if got != want || string(back) != raw || err != nil {
			t.Errorf("Escape(%q) = %q, want %q; back %q, %v", raw, got, want, back, err)
		}
	}
	if got := EscapePath([]byte("../a/b\x00")); got != `../a/b\x00` {
		t.Errorf("EscapePath: %q", got)
	}
}

func TestSplitPath(t *testing.T) {
	for path, want := range map[string]string{"/": "", "/a": "a", "//a//b/": "a b", `/a\x2Fb/\\`: `a\x2Fb \\`} {
		if names, err := splitPath(path); strings.Join(names, " ") != want || err != nil {
			t.Errorf("splitPath(%q) = %q, %v", path, names, err)
		}
	}
	for path, want := range map[string]error{
		"": ErrPath, "a": ErrPath, "/a/..": ErrPath, "/./a": ErrPath, `/a\`: ErrPath, `/a\x2f`: ErrPath, `/\x2`: ErrPath,
		strings.Repeat("/a", MaxDepth+1): ErrLimit, "/" + strings.Repeat("a", MaxPath): ErrLimit,
	} {
		if _, err := splitPath(path); !errors.Is(err, want) {
			t.Errorf("splitPath(%.20q): %v, want %v", path, err, want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	f.Add([]byte("a/\x00\\\xff.."))
	f.Fuzz(func(t *testing.T, raw []byte) {
		name := Escape(raw)
		if back, err := Unescape(name); err != nil || string(back) != string(raw) {
			t.Errorf("%q: %q, %v", raw, back, err)
		}
		if len(raw) > 0 && len(name) < MaxPath {
			if names, err := splitPath("/" + name); err != nil || len(names) != 1 || names[0] != name {
				t.Errorf("%q is no name: %q, %v", name, names, err)
			}
		}
	})
}
