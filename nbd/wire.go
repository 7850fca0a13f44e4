package nbd

// Every number of the protocol stands here once, with its name in the
// specification (NetworkBlockDevice/nbd, doc/proto.md) beside it. All integers
// on the wire are big-endian and unsigned.

// Magic numbers, proto.md "Protocol phases".
const (
	magicServer      uint64 = 0x4e42444d41474943 // NBDMAGIC, the first 8 bytes from any server
	magicOption      uint64 = 0x49484156454f5054 // IHAVEOPT, newstyle greeting and every option request
	magicOldstyle    uint64 = 0x0000420281861253 // second 8 bytes of an oldstyle greeting
	magicOptionReply uint64 = 0x0003e889045565a9 // every option reply
	magicRequest     uint32 = 0x25609513         // NBD_REQUEST_MAGIC
	magicSimple      uint32 = 0x67446698         // NBD_SIMPLE_REPLY_MAGIC
	magicStructured  uint32 = 0x668e33ef         // NBD_STRUCTURED_REPLY_MAGIC

	magicExtendedRequest uint32 = 0x21e41c71 // NBD_EXTENDED_REQUEST_MAGIC
	magicExtendedReply   uint32 = 0x6e8a278c // NBD_EXTENDED_REPLY_MAGIC
)

// Sizes of the fixed parts of messages, in bytes.
const (
	lenGreeting     = 8 + 8 + 2             // magic, magic, handshake flags
	lenOption       = 8 + 4 + 4             // magic, option, length
	lenOptionReply  = 8 + 4 + 4 + 4         // magic, option, reply type, length
	lenRequest      = 4 + 2 + 2 + 8 + 8 + 4 // magic, flags, command, cookie, offset, length
	lenSimple       = 4 + 4 + 8             // magic, error, cookie
	lenChunk        = 4 + 2 + 2 + 8 + 4     // magic, flags, type, cookie, length
	lenInfoExport   = 2 + 8 + 2             // type, size, transmission flags
	lenInfoBlock    = 2 + 4 + 4 + 4         // type, minimum, preferred, maximum payload
	lenOffset       = 8                     // in front of the data of an OFFSET_DATA chunk
	lenHole         = 8 + 4                 // offset, hole size
	lenError        = 4 + 2                 // error, message length
	lenExportName   = 8 + 2                 // size, transmission flags
	lenExportZeroes = 124                   // after an EXPORT_NAME reply unless NO_ZEROES

	lenExtendedRequest = 4 + 2 + 2 + 8 + 8 + 8 // magic, flags, command, cookie, offset, length
	lenExtendedReply   = 4 + 2 + 2 + 8 + 8 + 8 // magic, flags, type, cookie, offset, length
	lenExtent          = 4 + 4                 // length, status
	lenExtentExt       = 8 + 8                 // length, status
	lenContextID       = 4                     // in front of the extents of a context
	lenFilter          = 8                     // effect length, in front of the context ids of a filtered BLOCK_STATUS
)

// Limits of the specification, proto.md "Values" and "Size constraints".
const (
	maxString         = 4096    // bytes of any name, description, query or error text
	maxMinimumBlock   = 1 << 16 // bytes, largest minimum block size
	minPreferredBlock = 512     // bytes, smallest preferred block size
	defaultPreferred  = 4096    // bytes, when the server names none
	defaultMaxPayload = 1 << 25 // bytes, when the server names none
	maxExtents        = 1 << 20 // extents of one context in one reply
)

// Handshake flags: NBD_FLAG_* from the server, NBD_FLAG_C_* from the client.
const (
	flagFixedNewstyle = 1 << 0 // NBD_FLAG_FIXED_NEWSTYLE, NBD_FLAG_C_FIXED_NEWSTYLE
	flagNoZeroes      = 1 << 1 // NBD_FLAG_NO_ZEROES, NBD_FLAG_C_NO_ZEROES
)

// An Option is a request of the negotiation phase, NBD_OPT_*.
type Option uint32

// The options of the specification.
const (
	OptExportName      Option = 1  // NBD_OPT_EXPORT_NAME
	OptAbort           Option = 2  // NBD_OPT_ABORT
	OptList            Option = 3  // NBD_OPT_LIST
	OptPeekExport      Option = 4  // NBD_OPT_PEEK_EXPORT, withdrawn
	OptStartTLS        Option = 5  // NBD_OPT_STARTTLS
	OptInfo            Option = 6  // NBD_OPT_INFO
	OptGo              Option = 7  // NBD_OPT_GO
	OptStructuredReply Option = 8  // NBD_OPT_STRUCTURED_REPLY
	OptListMetaContext Option = 9  // NBD_OPT_LIST_META_CONTEXT
	OptSetMetaContext  Option = 10 // NBD_OPT_SET_META_CONTEXT
	OptExtendedHeaders Option = 11 // NBD_OPT_EXTENDED_HEADERS
)

// A ReplyType is the server's answer to an option, NBD_REP_*.
type ReplyType uint32

// The option replies of the specification. An error has bit 31 set and is final.
const (
	RepAck                ReplyType = 1          // NBD_REP_ACK
	RepServer             ReplyType = 2          // NBD_REP_SERVER
	RepInfo               ReplyType = 3          // NBD_REP_INFO
	RepMetaContext        ReplyType = 4          // NBD_REP_META_CONTEXT
	RepErrUnsup           ReplyType = 0x80000001 // NBD_REP_ERR_UNSUP
	RepErrPolicy          ReplyType = 0x80000002 // NBD_REP_ERR_POLICY
	RepErrInvalid         ReplyType = 0x80000003 // NBD_REP_ERR_INVALID
	RepErrPlatform        ReplyType = 0x80000004 // NBD_REP_ERR_PLATFORM
	RepErrTLSReqd         ReplyType = 0x80000005 // NBD_REP_ERR_TLS_REQD
	RepErrUnknown         ReplyType = 0x80000006 // NBD_REP_ERR_UNKNOWN
	RepErrShutdown        ReplyType = 0x80000007 // NBD_REP_ERR_SHUTDOWN
	RepErrBlockSizeReqd   ReplyType = 0x80000008 // NBD_REP_ERR_BLOCK_SIZE_REQD
	RepErrTooBig          ReplyType = 0x80000009 // NBD_REP_ERR_TOO_BIG
	RepErrExtHeaderReqd   ReplyType = 0x8000000a // NBD_REP_ERR_EXT_HEADER_REQD
	replyError            ReplyType = 1 << 31    // set in every error reply
	maxOptionReply                  = 1 << 16    // bytes, largest option reply that we read
	maxServerReplies                = 10000      // exports in one answer to LIST, as nbdkit caps it
	maxServerReplyBytes             = 16 << 20   // bytes of one whole answer to LIST
	maxInfoReplies                  = 256        // information replies in one answer to INFO or GO
	maxErrorTextDisplayed           = 512        // bytes of a peer's text that an error repeats
)

// Information types of INFO and GO, NBD_INFO_*.
const (
	infoExport      uint16 = 0 // NBD_INFO_EXPORT
	infoName        uint16 = 1 // NBD_INFO_NAME
	infoDescription uint16 = 2 // NBD_INFO_DESCRIPTION
	infoBlockSize   uint16 = 3 // NBD_INFO_BLOCK_SIZE
)

// TransmissionFlags say what an export can do, NBD_FLAG_*.
type TransmissionFlags uint16

// The transmission flags of the specification.
const (
	FlagHasFlags           TransmissionFlags = 1 << 0  // NBD_FLAG_HAS_FLAGS
	FlagReadOnly           TransmissionFlags = 1 << 1  // NBD_FLAG_READ_ONLY
	FlagSendFlush          TransmissionFlags = 1 << 2  // NBD_FLAG_SEND_FLUSH
	FlagSendFUA            TransmissionFlags = 1 << 3  // NBD_FLAG_SEND_FUA
	FlagRotational         TransmissionFlags = 1 << 4  // NBD_FLAG_ROTATIONAL
	FlagSendTrim           TransmissionFlags = 1 << 5  // NBD_FLAG_SEND_TRIM
	FlagSendWriteZeroes    TransmissionFlags = 1 << 6  // NBD_FLAG_SEND_WRITE_ZEROES
	FlagSendDF             TransmissionFlags = 1 << 7  // NBD_FLAG_SEND_DF
	FlagCanMultiConn       TransmissionFlags = 1 << 8  // NBD_FLAG_CAN_MULTI_CONN
	FlagSendResize         TransmissionFlags = 1 << 9  // NBD_FLAG_SEND_RESIZE
	FlagSendCache          TransmissionFlags = 1 << 10 // NBD_FLAG_SEND_CACHE
	FlagSendFastZero       TransmissionFlags = 1 << 11 // NBD_FLAG_SEND_FAST_ZERO
	FlagBlockStatusPayload TransmissionFlags = 1 << 12 // NBD_FLAG_BLOCK_STATUS_PAYLOAD
)

// Commands of the transmission phase, NBD_CMD_*.
const (
	cmdRead        uint16 = 0 // NBD_CMD_READ
	cmdWrite       uint16 = 1 // NBD_CMD_WRITE
	cmdDisc        uint16 = 2 // NBD_CMD_DISC
	cmdFlush       uint16 = 3 // NBD_CMD_FLUSH
	cmdTrim        uint16 = 4 // NBD_CMD_TRIM
	cmdCache       uint16 = 5 // NBD_CMD_CACHE
	cmdWriteZeroes uint16 = 6 // NBD_CMD_WRITE_ZEROES
	cmdBlockStatus uint16 = 7 // NBD_CMD_BLOCK_STATUS
)

// Flags ask for a variant of a command, NBD_CMD_FLAG_*.
type Flags uint16

// The command flags of the specification.
const (
	FlagFUA      Flags = 1 << 0 // NBD_CMD_FLAG_FUA: be durable before the reply
	FlagNoHole   Flags = 1 << 1 // NBD_CMD_FLAG_NO_HOLE: zeroes that stay allocated
	FlagDF       Flags = 1 << 2 // NBD_CMD_FLAG_DF: the data of a read in one piece
	FlagReqOne   Flags = 1 << 3 // NBD_CMD_FLAG_REQ_ONE: one extent of each context
	FlagFastZero Flags = 1 << 4 // NBD_CMD_FLAG_FAST_ZERO: fail rather than be as slow as a write

	flagPayloadLen Flags = 1 << 5 // NBD_CMD_FLAG_PAYLOAD_LEN: the length is that of a payload
)

// States of an extent in the metadata context "base:allocation", NBD_STATE_*.
const (
	StateHole uint64 = 1 << 0 // NBD_STATE_HOLE: not allocated, a write may find no space
	StateZero uint64 = 1 << 1 // NBD_STATE_ZERO: reads as zeroes
)

// Structured reply chunks, NBD_REPLY_FLAG_* and NBD_REPLY_TYPE_*.
const (
	chunkDone uint16 = 1 << 0 // NBD_REPLY_FLAG_DONE

	chunkNone        uint16 = 0       // NBD_REPLY_TYPE_NONE
	chunkOffsetData  uint16 = 1       // NBD_REPLY_TYPE_OFFSET_DATA
	chunkOffsetHole  uint16 = 2       // NBD_REPLY_TYPE_OFFSET_HOLE
	chunkBlockStatus uint16 = 5       // NBD_REPLY_TYPE_BLOCK_STATUS
	chunkStatusExt   uint16 = 6       // NBD_REPLY_TYPE_BLOCK_STATUS_EXT
	chunkErrorBit    uint16 = 1 << 15 // set in every error chunk
	chunkError       uint16 = 0x8001  // NBD_REPLY_TYPE_ERROR
	chunkErrorOffset uint16 = 0x8002  // NBD_REPLY_TYPE_ERROR_OFFSET
)
