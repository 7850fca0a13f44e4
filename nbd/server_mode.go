package nbd

// ServerTLSMode is the server's policy, proto.md "TLS versions and modes".
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

// A verdict is what the TLS mode says to an option, before the option itself
// is looked at.
type verdict int

const (
	proceed    verdict = iota
	refuseTLS          // NBD_REP_ERR_TLS_REQD
	refuseMode         // NBD_REP_ERR_POLICY: no TLS here
	refuseDone         // NBD_REP_ERR_INVALID: TLS is on already
	upgrade            // NBD_REP_ACK, then TLS
	hangUp             // no error reply is possible: close
)

// A stage is the TLS mode together with whether TLS is on.
type stage int

const (
	stageNoTLS  stage = iota // NOTLS
	stageBefore              // FORCEDTLS, in the clear
	stageInside              // any mode, inside TLS
)

// otherOption stands for every option without a row of its own.
const otherOption Option = 0

// verdicts is proto.md "TLS versions and modes" as data.
var verdicts = map[stage]map[Option]verdict{
	stageNoTLS: {
		OptStartTLS: refuseMode,
		otherOption: proceed,
	},
	stageBefore: {
		OptStartTLS:   upgrade,
		OptAbort:      proceed,
		OptExportName: hangUp,
		otherOption:   refuseTLS,
	},
	stageInside: {
		OptStartTLS: refuseDone,
		otherOption: proceed,
	},
}

func judge(s stage, opt Option) verdict {
	if v, ok := verdicts[s][opt]; ok {
		return v
	}
	return verdicts[s][otherOption]
}

func (c *serverConn) stage() stage {
	switch {
	case c.secure:
		return stageInside
	case c.server.TLS != nil:
		return stageBefore
	}
	return stageNoTLS
}
