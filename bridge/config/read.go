package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
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
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key // its own token is the first colon
	}
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
	tokens := lexer.Tokenize(string(source))
	if t := tooDeep(tokens); t != nil {
		return nil, d.places.problem(place{t.Position.Line, t.Position.Column}, errors.New("nothing nests as deep as this"))
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // mapping tells of those
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

// maxDepth is deeper than any key. The parser's work and memory grow with the
// square of the depth.
const maxDepth = 16

// tooDeep returns the bracket or dash that opens one level too many, if any.
// Blocks can nest by indentation too, but pay for it with longer lines.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, dashes := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		}
		if dashes++; t.Type != token.SequenceEntryType {
			dashes = 0
		}
		if brackets > maxDepth || dashes > maxDepth {
			return t
		}
	}
	return nil
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
