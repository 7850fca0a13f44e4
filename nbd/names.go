package nbd

import "fmt"

var optionNames = map[Option]string{
	OptExportName: "EXPORT_NAME", OptAbort: "ABORT", OptList: "LIST", OptPeekExport: "PEEK_EXPORT",
	OptStartTLS: "STARTTLS", OptInfo: "INFO", OptGo: "GO", OptStructuredReply: "STRUCTURED_REPLY",
	OptListMetaContext: "LIST_META_CONTEXT", OptSetMetaContext: "SET_META_CONTEXT",
	OptExtendedHeaders: "EXTENDED_HEADERS",
}

func (o Option) String() string {
	if s, ok := optionNames[o]; ok {
		return s
	}
	return fmt.Sprintf("option %d", uint32(o))
}

// Each text says what the reply means to the one who asked.
var replyTexts = map[ReplyType]string{
	RepAck: "ACK", RepServer: "SERVER", RepInfo: "INFO", RepMetaContext: "META_CONTEXT",
	RepErrUnsup:         "not supported (ERR_UNSUP)",
	RepErrPolicy:        "forbidden by its configuration (ERR_POLICY)",
	RepErrInvalid:       "invalid request (ERR_INVALID)",
	RepErrPlatform:      "not available on its platform (ERR_PLATFORM)",
	RepErrTLSReqd:       "it requires TLS (ERR_TLS_REQD)",
	RepErrUnknown:       "no such export (ERR_UNKNOWN)",
	RepErrShutdown:      "it is shutting down (ERR_SHUTDOWN)",
	RepErrBlockSizeReqd: "block sizes must be negotiated (ERR_BLOCK_SIZE_REQD)",
	RepErrTooBig:        "request too large (ERR_TOO_BIG)",
	RepErrExtHeaderReqd: "extended headers must be negotiated (ERR_EXT_HEADER_REQD)",
}

func (r ReplyType) String() string {
	if s, ok := replyTexts[r]; ok {
		return s
	}
	return fmt.Sprintf("reply %#x", uint32(r))
}

var flagNames = []struct {
	flag TransmissionFlags
	name string
}{
	{FlagReadOnly, "read-only"}, {FlagSendFlush, "flush"}, {FlagSendFUA, "fua"},
	{FlagRotational, "rotational"}, {FlagSendTrim, "trim"}, {FlagSendWriteZeroes, "write-zeroes"},
	{FlagSendDF, "df"}, {FlagCanMultiConn, "multi-conn"}, {FlagSendResize, "resize"},
	{FlagSendCache, "cache"}, {FlagSendFastZero, "fast-zero"},
	{FlagBlockStatusPayload, "block-status-payload"},
}

// Names lists the features that are set, in the order of their bits.
func (f TransmissionFlags) Names() []string {
	names := []string{}
	for _, e := range flagNames {
		if f&e.flag != 0 {
			names = append(names, e.name)
		}
	}
	return names
}
