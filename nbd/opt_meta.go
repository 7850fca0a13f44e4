package nbd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// maxContextReplies is how many metadata contexts one answer may hold.
const maxContextReplies = 256

// A metaContext is a metadata context as the server selected it.
type metaContext struct {
	id   uint32
	name string
}

// ListMetaContexts asks which metadata contexts an export has,
// NBD_OPT_LIST_META_CONTEXT. A query is a context's name, or a wildcard such as
// "base:"; without queries the server tells all. A name that ends in a colon
// stands for many. Servers without them answer with an *OptionError.
func (c *Client) ListMetaContexts(ctx context.Context, export string, queries ...string) (names []string, err error) {
	if err := checkMetaRequest(export, queries); err != nil {
		return nil, err
	}
	if c.isLegacy() {
		return nil, c.unsupported(OptListMetaContext, export)
	}
	err = c.step(ctx, func() error {
		if err := c.negotiateFraming(); err != nil {
			return err
		}
		contexts, err := c.metaOption(OptListMetaContext, export, queries)
		for _, m := range contexts {
			names = append(names, m.name)
		}
		return err
	})
	return names, err
}

// setMetaContexts selects what Config.MetaContexts asks for,
// NBD_OPT_SET_META_CONTEXT. A refusal leaves none: GO, which comes next, has
// the word on the export itself.
func (c *Client) setMetaContexts(export string) error {
	c.contexts = nil
	if len(c.cfg.MetaContexts) == 0 || c.framing == FramingSimple {
		return nil
	}
	contexts, err := c.metaOption(OptSetMetaContext, export, c.cfg.MetaContexts)
	if refused := (*OptionError)(nil); errors.As(err, &refused) && refused.Reply != RepErrShutdown {
		return nil
	}
	if err == nil {
		err = checkSelection(contexts)
	}
	c.contexts = contexts
	return err
}

// checkSelection holds the server to ids that tell the contexts apart.
func checkSelection(contexts []metaContext) error {
	ids, names := map[uint32]bool{}, map[string]bool{}
	for _, m := range contexts {
		if ids[m.id] || names[m.name] {
			return protocolErrorf("the metadata context %q, id %d, was selected twice", printable([]byte(m.name)), m.id)
		}
		ids[m.id], names[m.name] = true, true
	}
	return nil
}

// metaOption runs either option, which differ only in what they change.
func (c *Client) metaOption(opt Option, export string, queries []string) ([]metaContext, error) {
	if err := c.sendOption(opt, appendMetaRequest(nil, export, queries)); err != nil {
		return nil, err
	}
	contexts, err := c.recvMetaContexts(opt)
	if refused := (*OptionError)(nil); errors.As(err, &refused) {
		refused.Export = export
	}
	return contexts, err
}

// appendMetaRequest writes export name, number of queries, and each query.
func appendMetaRequest(b []byte, export string, queries []string) []byte {
	b = appendString(b, export)
	b = binary.BigEndian.AppendUint32(b, uint32(len(queries)))
	for _, q := range queries {
		b = appendString(b, q)
	}
	return b
}

// appendString writes a length of 32 bits and the string.
func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// recvMetaContexts reads the answer. What came before an error is void.
func (c *Client) recvMetaContexts(opt Option) (contexts []metaContext, err error) {
	for range maxContextReplies + 1 {
		typ, data, err := c.recvReply(opt)
		switch {
		case err != nil:
			return nil, err
		case typ == RepAck:
			return contexts, nil
		case typ != RepMetaContext:
			return nil, protocolErrorf("unexpected reply %v to %v", typ, opt)
		case len(data) <= lenContextID:
			return nil, protocolErrorf("a metadata context of %d bytes", len(data))
		}
		contexts = append(contexts, metaContext{binary.BigEndian.Uint32(data), string(data[lenContextID:])})
	}
	return nil, protocolErrorf("more than %d replies to %v", maxContextReplies, opt)
}

func checkMetaRequest(export string, queries []string) error {
	if err := checkName(export); err != nil {
		return err
	}
	return checkQueries(queries)
}

// checkQueries refuses metadata contexts that the protocol can't carry.
func checkQueries(queries []string) error {
	if len(queries) > maxContextReplies {
		return fmt.Errorf("nbd: %d metadata contexts: at most %d are allowed", len(queries), maxContextReplies)
	}
	for _, q := range queries {
		if err := checkString("metadata context", q); err != nil {
			return err
		}
	}
	return nil
}
