package fs

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Escape makes a name of a disk's bytes: those that are no UTF-8, "/" and NUL
// become \xNN, and a backslash two. A name "." or ".." becomes \x2E or \x2E\x2E,
// so that it is never taken for a way.
func Escape(name []byte) string {
	if s := string(name); s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", `\x2E`)
	}
	return escape(name, "/\x00")
}

// EscapePath is Escape for what may have "/", such as the target of a link.
func EscapePath(path []byte) string { return escape(path, "\x00") }

func escape(name []byte, special string) string {
	var out strings.Builder
	for len(name) > 0 {
		r, n := utf8.DecodeRune(name)
		switch {
		case r == '\\':
			out.WriteString(`\\`)
		case r == utf8.RuneError && n == 1, n == 1 && strings.IndexByte(special, name[0]) >= 0:
			fmt.Fprintf(&out, `\x%02X`, name[0])
		default:
			out.Write(name[:n])
		}
		name = name[n:]
	}
	return out.String()
}

// Unescape gives the bytes of a name or target that Escape or EscapePath has
// made. What neither would write is ErrPath.
func Unescape(name string) ([]byte, error) {
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); i++ {
		if name[i] != '\\' {
			out = append(out, name[i])
			continue
		}
		b, n, ok := unescapeOne(name[i:])
		if !ok {
			return nil, fmt.Errorf("%w: a \\ is followed by neither \\ nor xNN", ErrPath)
		}
		out = append(out, b)
		i += n - 1
	}
	return out, nil
}

// unescapeOne reads what a backslash begins: its byte and its length.
func unescapeOne(s string) (b byte, n int, ok bool) {
	if strings.HasPrefix(s, `\\`) {
		return '\\', 2, true
	}
	if len(s) < 4 || s[1] != 'x' {
		return 0, 0, false
	}
	high, low := hex(s[2]), hex(s[3])
	return byte(high<<4 | low), 4, high >= 0 && low >= 0
}

func hex(c byte) int { return strings.IndexByte("0123456789ABCDEF", c) }

// splitPath gives the names of a path. Empty ones are left out, so that "/a/"
// is "/a".
func splitPath(path string) ([]string, error) {
	if len(path) > MaxPath {
		return nil, fmt.Errorf("%w: a path of %d bytes, at most %d", ErrLimit, len(path), MaxPath)
	}
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("%w: it begins with no /", ErrPath)
	}
	names := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if len(names) > MaxDepth {
		return nil, fmt.Errorf("%w: a path of %d names, at most %d", ErrLimit, len(names), MaxDepth)
	}
	return names, checkNames(names)
}

func checkNames(names []string) error {
	for _, name := range names {
		if name == "." || name == ".." {
			return fmt.Errorf("%w: . and .. are no names here", ErrPath)
		}
		if _, err := Unescape(name); err != nil {
			return err
		}
	}
	return nil
}
