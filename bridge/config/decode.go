package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A decoder fills values from the syntax tree of a file, and collects what is
// wrong. The library's own decoder stops at the first error, and takes a number
// for a text and a text for a number.
type decoder struct {
	places   places
	problems []error
}

func (d *decoder) fail(n ast.Node, format string, args ...any) {
	d.problems = append(d.problems, d.places.problem(placeOf(n), fmt.Errorf(format, args...)))
}

// decode reads n into v; path is where n is in the file.
func (d *decoder) decode(path string, n ast.Node, v reflect.Value) {
	d.places.at[path] = placeOf(n)
	if reader, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.text(path, n, reader)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(path, n, v.Elem())
	case reflect.Struct:
		d.fields(path, n, v)
	case reflect.Map:
		d.entries(path, n, v)
	case reflect.Slice:
		d.elements(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

func (d *decoder) text(path string, n ast.Node, v encoding.TextUnmarshaler) {
	text, ok := scalarText(n)
	if !ok {
		d.fail(n, "%s: want one value, not %s", path, kind(n))
	} else if err := v.UnmarshalText([]byte(text)); err != nil {
		d.fail(n, "%s: %w", path, err)
	}
}

// scalarText is a scalar as it is written, so that 0660 stays what it is.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func (d *decoder) scalar(path string, n ast.Node, v reflect.Value) {
	switch value := n.(type) {
	case *ast.StringNode:
		if v.Kind() == reflect.String {
			v.SetString(value.Value)
			return
		}
	case *ast.BoolNode:
		if v.Kind() == reflect.Bool {
			v.SetBool(value.Value)
			return
		}
	}
	if v.Kind() == reflect.Bool {
		d.fail(n, "%s: want true or false, not %s", path, kind(n))
		return
	}
	d.fail(n, "%s: want a text, not %s; put a text that looks like something else in quotes", path, kind(n))
}

// elements reads a list; one value is a list of one.
func (d *decoder) elements(path string, n ast.Node, v reflect.Value) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		d.decode(path, n, v.Index(0))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
	for i, element := range list.Values {
		d.decode(fmt.Sprintf("%s[%d]", path, i), element, v.Index(i))
	}
}

// mapping calls each for the pairs of a mapping whose keys are fit.
func (d *decoder) mapping(path string, n ast.Node, each func(name string, key, value ast.Node)) {
	pairs, ok := n.(ast.MapNode)
	if !ok {
		d.fail(n, "%s: want keys and values, not %s", orFile(path), kind(n))
		return
	}
	seen := map[string]bool{}
	for i := pairs.MapRange(); i.Next(); {
		key := i.Key()
		name, ok := scalarText(key)
		switch {
		case !ok:
			d.fail(key, "%s: a key must be a text, not %s", orFile(path), kind(key))
		case seen[name]:
			d.fail(key, "%s stands here twice", join(path, name))
		default:
			seen[name] = true
			each(name, key, i.Value())
		}
	}
}

func (d *decoder) entries(path string, n ast.Node, v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	d.mapping(path, n, func(name string, key, value ast.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.decode(join(path, name), value, element)
		d.places.at[join(path, name)] = placeOf(key)
		v.SetMapIndex(reflect.ValueOf(name), element)
	})
}

func (d *decoder) fields(path string, n ast.Node, v reflect.Value) {
	d.mapping(path, n, func(name string, key, value ast.Node) {
		field, known := fieldOf(v, name)
		if !known {
			d.fail(key, "unknown key %q; allowed %s are %s", name, within(path), strings.Join(keysOf(v.Type()), ", "))
			return
		}
		d.decode(join(path, name), value, field)
		if _, nested := value.(ast.MapNode); nested {
			d.places.at[join(path, name)] = placeOf(key)
		}
	})
}

func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == name && name != "" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func within(path string) string {
	if path == "" {
		return "here"
	}
	return "in " + path
}

func orFile(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// kind names what a node is to someone who wrote it.
func kind(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.StringNode:
		return "a text"
	case *ast.LiteralNode:
		return "a text of several lines"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "keys and values"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or an alias, which this file can't have"
	case *ast.TagNode:
		return "a tag, which this file can't have"
	}
	return "what this file can't have"
}
