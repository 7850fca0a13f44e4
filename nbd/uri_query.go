package nbd

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// uriUnusable are parameters of other programs, and why they are none of ours.
var uriUnusable = map[string]string{
	"tls-psk-file": "pre-shared keys can't be used: write tls-certificates=/DIR",
	"tls-username": "pre-shared keys can't be used: write tls-certificates=/DIR",
	"tls-priority": "the versions and ciphers of TLS can't be chosen: drop it",
}

// readQuery sets what the query says. It is not decoded as a form is: a plus
// sign is a plus sign, as in libnbd and qemu.
func (u *URI) readQuery(query string) error {
	if strings.Contains(query, ";") {
		return fmt.Errorf("the query has a semicolon: write & between parameters, and %%3B inside of one")
	}
	seen := map[string]bool{}
	for parameter := range strings.SplitSeq(query, "&") {
		name, value, err := unescapeParameter(parameter)
		if err != nil {
			return err
		}
		if name == "" || strings.HasPrefix(name, "x-") {
			continue
		}
		if seen[name] {
			return fmt.Errorf("it has %s twice: drop one of them", name)
		}
		seen[name] = true
		if err := u.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func unescapeParameter(parameter string) (name, value string, err error) {
	if name, value, _ = strings.Cut(parameter, "="); name == "" && value != "" {
		return "", "", fmt.Errorf("the query %q has no name in front of the =", parameter)
	}
	if name, err = url.PathUnescape(name); err == nil {
		value, err = url.PathUnescape(value)
	}
	if err != nil {
		return "", "", malformed(err)
	}
	return name, value, nil
}

// set takes one parameter, doc/uri.md "Query parameters"; tls-certificates is
// libnbd's.
func (u *URI) set(name, value string) error {
	if why := uriUnusable[name]; why != "" {
		return fmt.Errorf("%s: %s", name, why)
	}
	if strings.HasPrefix(name, "tls-") && !u.secure() {
		return fmt.Errorf("%s has no effect with %s, which goes without TLS: write nbds… or drop it", name, u.Scheme+":")
	}
	switch name {
	case "socket":
		return u.setSocket(value)
	case "tls-type":
		return u.setTLSType(value)
	case "tls-hostname":
		return u.setServerName(value)
	case "tls-verify-peer":
		return u.setVerifyPeer(value)
	case "tls-certificates":
		return u.setCertificates(value)
	}
	return fmt.Errorf("unknown query parameter %q: known are socket, tls-type, tls-hostname, tls-verify-peer and tls-certificates", name)
}

// setSocket takes an absolute path, or the name of an abstract socket behind
// %00. Relative paths would be found in other folders by other programs.
func (u *URI) setSocket(value string) error {
	name, abstract := strings.CutPrefix(value, "\x00")
	switch {
	case u.Network != "unix":
		return fmt.Errorf("socket has no effect with a host: write %s:///EXPORT?socket=/PATH", strings.Replace(u.Scheme, "+unix", "", 1)+"+unix")
	case name == "" || strings.Contains(name, "\x00") || !abstract && name[0] != '/':
		return fmt.Errorf("socket=%q: want an absolute path, as in socket=/run/nbd.sock, or %%00 and the name of an abstract socket", value)
	case abstract:
		name = "@" + name
	}
	u.Address = name
	return nil
}

func (u *URI) setTLSType(value string) error {
	if value != "x509" {
		return fmt.Errorf("tls-type=%q: only x509 can be used, never anon, which verifies nobody, or psk: write tls-type=x509 or drop it", value)
	}
	return nil
}

// setServerName takes an address too, without the brackets that a host has.
func (u *URI) setServerName(value string) error {
	if a, err := netip.ParseAddr(value); !isHostName(value) && (err != nil || a.Zone() != "") {
		return fmt.Errorf("tls-hostname=%q: want the name in the server's certificate", value)
	}
	u.ServerName = value
	return nil
}

func (u *URI) setVerifyPeer(value string) error {
	if value != "0" && value != "1" {
		return fmt.Errorf("tls-verify-peer=%q: write 1, or 0 to take any certificate (insecure)", value)
	}
	u.Insecure = value == "0"
	return nil
}

func (u *URI) setCertificates(value string) error {
	if value == "" || strings.Contains(value, "\x00") {
		return fmt.Errorf("tls-certificates=%q: want a folder with ca-cert.pem in it", value)
	}
	u.Certificates = value
	return nil
}

// String writes a URI that ParseURI reads as the same one.
func (u *URI) String() string {
	if u.Bridge != "" {
		return u.Bridge
	}
	host, query := u.authority()
	s := u.Scheme + "://" + host + "/" + strings.ReplaceAll(url.PathEscape(u.Export), "%2F", "/")
	if u.Insecure {
		query = append(query, "tls-verify-peer=0")
	}
	if u.Certificates != "" {
		query = append(query, "tls-certificates="+escapeParameter(u.Certificates))
	}
	if len(query) > 0 {
		s += "?" + strings.Join(query, "&")
	}
	return s
}

// authority is the host, and what the query has to say about it.
func (u *URI) authority() (host string, query []string) {
	name := ""
	if u.Network == "unix" {
		path := u.Address
		if rest, abstract := strings.CutPrefix(path, "@"); abstract {
			path = "\x00" + rest
		}
		query = append(query, "socket="+escapeParameter(path))
	} else {
		host = strings.TrimSuffix(strings.ReplaceAll(u.Address, "%", "%25"), ":"+defaultPort)
		name, _, _ = strings.Cut(strings.Trim(hostOf(u.Address), "[]"), "%")
	}
	if u.ServerName != name {
		query = append(query, "tls-hostname="+escapeParameter(u.ServerName))
	}
	return host, query
}

// hostOf cuts the port off.
func hostOf(address string) string { return address[:max(strings.LastIndex(address, ":"), 0)] }

// escapeParameter leaves the slashes of a path, which a query may hold.
func escapeParameter(s string) string {
	return strings.NewReplacer("%2F", "/", "+", "%2B", "&", "%26", "=", "%3D").Replace(url.PathEscape(s))
}
