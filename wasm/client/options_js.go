package main

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"syscall/js"
	"time"

	"nbdbridge/nbd"
)

// maxMilliseconds is the longest time that can be asked for, 24 days: what the
// timers of JavaScript can wait.
const maxMilliseconds = 1<<31 - 1

// maxExportName is what NBD allows for any string, in bytes.
const maxExportName = 4096

// options are what open and list are asked for.
type options struct {
	url, token  string
	export      string
	giveUpAfter time.Duration // an outage; 0 for a disk that ends with its connection
	cfg         nbd.Config
}

// parseOptions is strict: a name that it does not know, or a value of another
// type, is an *ArgumentError that names it. web/client has put the defaults in.
func parseOptions(v js.Value) (*options, error) {
	f := fieldsOf("", v)
	o := &options{url: f.text("url"), token: f.text("token"), export: f.text("export")}
	o.cfg.ReadOnly = f.flag("readOnly")
	security, reconnect := f.object("tls"), f.object("reconnect")
	if err := f.done(); err != nil {
		return nil, err
	}
	if len(o.export) > maxExportName || strings.ContainsRune(o.export, 0) {
		return nil, argumentErrorf("option export can't be the name of an export: want at most %d bytes of UTF-8, without NUL", maxExportName)
	}
	if err := readReconnect(reconnect, o); err != nil {
		return nil, err
	}
	if err := readTLS(security, &o.cfg); err != nil {
		return nil, err
	}
	if err := o.cfg.Validate(); err != nil {
		return nil, argumentErrorf("options: %v", err)
	}
	return o, nil
}

func readReconnect(f *fields, o *options) (err error) {
	after := f.get("giveUpAfter", js.TypeNumber)
	if err = f.done(); err == nil && !f.v.IsUndefined() {
		o.giveUpAfter, err = milliseconds("option reconnect.giveUpAfter", after)
	}
	return err
}

// milliseconds reads a time, which is not 0.
func milliseconds(name string, v js.Value) (time.Duration, error) {
	n, err := safeInteger(name, v)
	if err == nil && (n == 0 || n > maxMilliseconds) {
		err = argumentErrorf("%s is %d: want milliseconds from 1 to %d", name, n, maxMilliseconds)
	}
	return time.Duration(n) * time.Millisecond, err
}

func readTLS(f *fields, cfg *nbd.Config) error {
	mode, ca, pins := f.text("mode"), f.text("ca"), f.texts("pins")
	cert, key := f.text("cert"), f.textOrObject("key")
	cfg.TLS.ServerName = f.text("serverName")
	cfg.TLS.Insecure = f.flag("insecure")
	if err := f.done(); err != nil {
		return err
	}
	if err := setMode(cfg, mode); err != nil {
		return err
	}
	if err := trust(&cfg.TLS, ca, pins); err != nil {
		return err
	}
	return identify(&cfg.TLS, cert, key)
}

// setMode takes what nothing was said about for require, never for less.
func setMode(cfg *nbd.Config, mode string) (err error) {
	if mode == "" {
		mode = nbd.TLSRequire.String()
	}
	if cfg.TLSMode, err = nbd.ParseTLSMode(mode); err != nil {
		return argumentErrorf("option tls.mode is %q: use \"require\", \"prefer\" (insecure: whoever is on the path can turn TLS off) or \"off\"", mode)
	}
	return nil
}

func trust(t *nbd.TLSConfig, ca string, pins []string) error {
	if ca != "" {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return argumentErrorf("option tls.ca holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
		}
	}
	for _, text := range pins {
		pin, err := nbd.ParsePin(text)
		if err != nil {
			return argumentErrorf("option tls.pins: %v", err)
		}
		t.Pins = append(t.Pins, pin)
	}
	return nil
}

func identify(t *nbd.TLSConfig, cert string, key js.Value) error {
	if cert == "" && !key.Truthy() {
		return nil
	}
	pair, err := keyPair([]byte(cert), key)
	if err != nil {
		return argumentErrorf("options tls.cert and tls.key: %v", err)
	}
	t.Certificates = []tls.Certificate{pair}
	return nil
}

// keyPair takes the key as PEM, or as a CryptoKey.
func keyPair(cert []byte, key js.Value) (tls.Certificate, error) {
	if key.Type() == js.TypeObject {
		return webCertificate(cert, key)
	}
	text := ""
	if key.Type() == js.TypeString {
		text = key.String()
	}
	return tls.X509KeyPair(cert, []byte(text))
}

// fields reads the properties of a JavaScript object by name and type. It
// keeps the first complaint; done reports it, or a property nobody asked for.
type fields struct {
	prefix string
	v      js.Value
	asked  []string
	err    error
}

func fieldsOf(prefix string, v js.Value) *fields {
	f := &fields{prefix: prefix, v: v}
	if t := v.Type(); t != js.TypeObject && t != js.TypeUndefined {
		f.err = argumentErrorf("%s must be an object, not %s", f.label(), t)
	}
	return f
}

func (f *fields) label() string {
	if f.prefix == "" {
		return "options"
	}
	return "option " + f.prefix[:len(f.prefix)-1]
}

// get returns a property of the type wanted; anything else reads as undefined.
func (f *fields) get(name string, want js.Type) js.Value {
	f.asked = append(f.asked, name)
	if f.err != nil || f.v.IsUndefined() {
		return js.Undefined()
	}
	v := f.v.Get(name)
	if v.IsUndefined() || v.Type() == want {
		return v
	}
	f.err = argumentErrorf("option %s%s must be a %s, not %s", f.prefix, name, want, v.Type())
	return js.Undefined()
}

func (f *fields) text(name string) string {
	if v := f.get(name, js.TypeString); !v.IsUndefined() {
		return v.String()
	}
	return ""
}

func (f *fields) textOrObject(name string) js.Value {
	if f.err == nil && f.v.Type() == js.TypeObject && f.v.Get(name).Type() == js.TypeObject {
		return f.get(name, js.TypeObject)
	}
	return f.get(name, js.TypeString)
}

func (f *fields) flag(name string) bool {
	v := f.get(name, js.TypeBoolean)
	return !v.IsUndefined() && v.Bool()
}

func (f *fields) texts(name string) (all []string) {
	v := f.get(name, js.TypeObject)
	if v.IsUndefined() {
		return nil
	}
	if !js.Global().Get("Array").Call("isArray", v).Bool() {
		f.err = argumentErrorf("option %s%s must be an array of strings", f.prefix, name)
		return nil
	}
	for i := range v.Length() {
		item := v.Index(i)
		if item.Type() != js.TypeString {
			f.err = argumentErrorf("option %s%s[%d] must be a string, not %s", f.prefix, name, i, item.Type())
			return nil
		}
		all = append(all, item.String())
	}
	return all
}

func (f *fields) object(name string) *fields {
	return fieldsOf(f.prefix+name+".", f.get(name, js.TypeObject))
}

func (f *fields) done() error {
	if f.err != nil || f.v.IsUndefined() {
		return f.err
	}
	keys := js.Global().Get("Object").Call("keys", f.v)
	for i := range keys.Length() {
		if key := keys.Index(i).String(); !slices.Contains(f.asked, key) {
			return argumentErrorf("unknown option %s%s", f.prefix, key)
		}
	}
	return nil
}
