package nbd

import "fmt"

// ServerTLSMode is the server's policy, proto.md "TLS versions and modes". The
// zero value is ForcedTLS for a server with a certificate and NoTLS otherwise.
type ServerTLSMode int

const (
	// NoTLS refuses STARTTLS: NOTLS. It needs no certificate.
	NoTLS ServerTLSMode = 1 + iota
	// OptionalTLS offers TLS and demands it for nothing: OPTIONALTLS of early
	// drafts. Whoever sits on the path can keep a client from using it.
	OptionalTLS
	// ForcedTLS tells nothing and serves nothing before TLS: FORCEDTLS.
	ForcedTLS
	// SelectiveTLS demands TLS for the exports that are TLSOnly: SELECTIVETLS.
	SelectiveTLS
)

var serverTLSModeNames = map[ServerTLSMode]string{
	NoTLS: "notls", OptionalTLS: "optionaltls", ForcedTLS: "forcedtls", SelectiveTLS: "selectivetls",
}

func (m ServerTLSMode) String() string {
	if s, ok := serverTLSModeNames[m]; ok {
		return s
	}
	return fmt.Sprintf("ServerTLSMode(%d)", int(m))
}

// ParseServerTLSMode reads "notls", "optionaltls", "forcedtls" or "selectivetls".
func ParseServerTLSMode(s string) (ServerTLSMode, error) {
	for m, name := range serverTLSModeNames {
		if s == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("nbd: unknown TLS mode %q: use notls, optionaltls, forcedtls or selectivetls", s)
}

// mode is the TLS mode with the default filled in.
func (s *Server) mode() ServerTLSMode {
	switch {
	case s.TLSMode != 0:
		return s.TLSMode
	case s.TLS != nil:
		return ForcedTLS
	}
	return NoTLS
}

// A verdict is what the TLS mode says to an option, before the option itself
// is looked at.
type verdict int

const (
	proceed    verdict = iota
	guard              // proceed, but guard the exports that are TLSOnly
	refuseTLS          // NBD_REP_ERR_TLS_REQD
	refuseMode         // NBD_REP_ERR_POLICY: no TLS here
	refuseDone         // NBD_REP_ERR_INVALID: TLS is on already
	upgrade            // NBD_REP_ACK, then TLS
	hangUp             // no error reply is possible: close
)

// A standing is the TLS mode together with whether TLS is on.
type standing struct {
	mode   ServerTLSMode
	inside bool
}

// otherOption stands for every option without a row of its own.
const otherOption Option = 0

// insideTLS is what every mode says inside TLS. The reply to EXPORT_NAME
// shifts with a flag that travels in the clear, so it is served outside only.
var insideTLS = map[Option]verdict{
	OptStartTLS:   refuseDone,
	OptExportName: hangUp,
	otherOption:   proceed,
}

// verdicts is proto.md "TLS versions and modes" as data.
var verdicts = map[standing]map[Option]verdict{
	{NoTLS, false}: {
		OptStartTLS: refuseMode,
		otherOption: proceed,
	},
	{OptionalTLS, false}: {
		OptStartTLS: upgrade,
		otherOption: proceed,
	},
	{ForcedTLS, false}: {
		OptStartTLS:   upgrade,
		OptAbort:      proceed,
		OptExportName: hangUp,
		otherOption:   refuseTLS,
	},
	{SelectiveTLS, false}: {
		OptStartTLS:        upgrade,
		OptExportName:      guard,
		OptList:            guard,
		OptInfo:            guard,
		OptGo:              guard,
		OptListMetaContext: guard,
		OptSetMetaContext:  guard,
		otherOption:        proceed,
	},
	{OptionalTLS, true}:  insideTLS,
	{ForcedTLS, true}:    insideTLS,
	{SelectiveTLS, true}: insideTLS,
}

func judge(s standing, opt Option) verdict {
	if v, ok := verdicts[s][opt]; ok {
		return v
	}
	return verdicts[s][otherOption]
}

func (c *serverConn) judge(opt Option) verdict {
	return judge(standing{c.server.mode(), c.secure}, opt)
}

// A denial is what is answered where an option under guard names an export
// that is TLSOnly, or none at all. With HideNames the two look the same.
type denial struct{ secret, unknown ReplyType }

var denials = map[Option]denial{
	OptInfo:            {RepErrTLSReqd, RepErrUnknown},
	OptGo:              {RepErrTLSReqd, RepErrUnknown},
	OptListMetaContext: {RepErrPolicy, RepErrUnknown}, // TLS_REQD is for INFO and GO alone
	OptSetMetaContext:  {RepErrPolicy, RepErrUnknown},
}

var hiddenDenials = map[Option]denial{
	OptInfo:            {RepErrTLSReqd, RepErrTLSReqd},
	OptGo:              {RepErrTLSReqd, RepErrTLSReqd},
	OptListMetaContext: {RepErrUnknown, RepErrUnknown},
	OptSetMetaContext:  {RepErrUnknown, RepErrUnknown},
}

// open finds the export of that name, or says with which reply it is denied.
func (c *serverConn) open(opt Option, name string) (*Export, ReplyType) {
	e, denied := c.server.find(name), RepErrUnknown
	guarded := c.judge(opt) == guard
	answers := denials[opt]
	if c.server.HideNames {
		answers = hiddenDenials[opt]
	}
	switch {
	case guarded && e == nil:
		return nil, answers.unknown
	case guarded && e.TLSOnly:
		return nil, answers.secret
	case e == nil:
		return nil, denied
	}
	return e, 0
}

// lists tells whether LIST names the export.
func (c *serverConn) lists(e *Export) bool {
	return !c.server.HideNames || !e.TLSOnly || c.judge(OptList) != guard
}
