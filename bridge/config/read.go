package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// MaxFile is how many bytes a file may have.
const MaxFile = 1 << 20

// A place is where something stands in a file, from 1.
type place struct{ line, column int }

// places remember where the values of a file stand, so that what is wrong with
// several of them together can be shown.
type places struct {
	file string
	at   map[string]place // by the keys with dots between
}

func placeOf(n ast.Node) place {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return place{t.Position.Line, t.Position.Column}
	}
	return place{1, 1}
}

func (p places) problem(at place, cause error) error {
	return fmt.Errorf("%s:%d:%d: %w", p.file, at.line, at.column, cause)
}

// Read reads a file. Its error tells, line by line, everything that is wrong
// with single values; Check looks at how they fit together.
func Read(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	source, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(source) > MaxFile {
		return nil, fmt.Errorf("%s has more than %d bytes: that is no configuration of a bridge", path, MaxFile)
	}
	return parse(path, source)
}

func parse(path string, source []byte) (*Config, error) {
	d := &decoder{places: places{path, map[string]place{}}}
	body, err := d.document(source)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	if body != nil {
		d.decode("", body, reflect.ValueOf(c).Elem())
	}
	c.places = d.places
	if err := errors.Join(d.problems...); err != nil {
		return nil, err
	}
	return c, nil
}

// document is the one document of a file; nil if there is nothing in it.
func (d *decoder) document(source []byte) (ast.Node, error) {
	file, err := parser.ParseBytes(source, 0, parser.AllowDuplicateMapKey()) // mapping tells of those
	if err != nil {
		return nil, d.syntax(err)
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return nil, nil
	case 1:
		return bodies[0], nil
	}
	return nil, d.places.problem(placeOf(bodies[1]), errors.New("a second document: the file must be one"))
}

// syntax leaves the excerpt out that the library would show.
func (d *decoder) syntax(err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		return fmt.Errorf("%s: %w", d.places.file, err)
	}
	p := at.GetToken().Position
	return d.places.problem(place{p.Line, p.Column}, errors.New(at.GetMessage()))
}
