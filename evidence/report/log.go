// Package report is the log of an acquisition.
package report

import "time"

// Schema is what the logs of this package say that they are.
const Schema = "nbdbridge/acquisition/1"

// Limits of a log.
const (
	MaxErrors = 10_000  // those beyond are counted
	MaxRanges = 100_000 // of zeros in place of what could not be read; an acquisition that would need more stops
)

// A Log says what was acquired, how, and where the image is not what the disk
// holds. Times are in UTC, offsets and lengths in bytes; offsets count from the
// beginning of what was acquired.
type Log struct {
	Schema   string   `json:"schema"`
	Tool     Tool     `json:"tool"`
	Page     *Page    `json:"page,omitempty"` // of an acquisition by a browser
	Case     Case     `json:"case"`
	Source   Source   `json:"source"`
	Image    Image    `json:"image"`
	Settings Settings `json:"settings"`

	Status   Status    `json:"status"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end,omitzero"` // of the acquisition, without passes after it
	Sessions []Session `json:"sessions"`

	Transferred int64       `json:"transferred"` // bytes that were read from the server and kept
	BlockStatus BlockStatus `json:"blockStatus"`

	Errors        []Error `json:"errors"`
	ErrorsOmitted int64   `json:"errorsOmitted,omitempty"` // errors beyond MaxErrors
	ZeroFilled    []Range `json:"zeroFilled"`              // zeros in place of what could not be read: sorted, none touches the next

	Hashes map[string]string `json:"hashes"` // of all that was acquired, zero-filled ranges as zeros, by algorithm, in hex; empty until complete
	Passes []Pass            `json:"passes"` // made after the acquisition
	Signer *Signer           `json:"signer,omitempty"`
}

// A Status is how far an acquisition has come.
type Status string

const (
	Running  Status = "running"  // or it was ended from outside: then the last checkpoint counts
	Paused   Status = "paused"   // it can go on
	Complete Status = "complete" // to the end; Log.ZeroFilled says where not
)

// A Tool is the program that acquired.
type Tool struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of its source
	Platform string `json:"platform"`           // operating system and architecture, or the browser's own words
}

// A Page is what the browser ran. It is what the page says of itself: a server
// that lies can have it say anything.
type Page struct {
	Origin string     `json:"origin"`
	URL    string     `json:"url"`    // without query and fragment
	SHA256 string     `json:"sha256"` // of Files as lines "SHA256  PATH\n", as sha256sum prints them
	Files  []PageFile `json:"files"`  // sorted by path
}

// A PageFile is a file that the page has loaded.
type PageFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// A Case is what the examiner says. Every field may be empty.
type Case struct {
	Number      string `json:"number"`
	Evidence    string `json:"evidence"` // number of the piece of evidence
	Examiner    string `json:"examiner"`
	Description string `json:"description"`
	Notes       string `json:"notes"`
}

// A Source is what was acquired, as its server told.
type Source struct {
	Bridge      string   `json:"bridge"`   // URL of the bridge without the target; empty without one
	Target      string   `json:"target"`   // of the bridge
	Server      string   `json:"server"`   // address of the server, where there is no bridge
	Export      string   `json:"export"`   // may be empty: the default export
	Size        int64    `json:"size"`     // of the export
	Offset      int64    `json:"offset"`   // of what was acquired
	Length      int64    `json:"length"`   // of what was acquired
	ReadOnly    bool     `json:"readOnly"` // the server's flag NBD_FLAG_READ_ONLY
	Flags       []string `json:"flags"`    // what the export offers
	MinimumSize int64    `json:"minimumBlockSize"`
}

// An Image is the file that was made.
type Image struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	Size   int64  `json:"size"` // of the file; 0 until complete
}

// Settings are what the examiner chose.
type Settings struct {
	Hashes    []string `json:"hashes"`
	Retries   int      `json:"retries"`  // after a failure, with reads of the largest and of the smallest size
	Smallest  int64    `json:"smallest"` // length of the smallest read
	SkipHoles bool     `json:"skipHoles"`
}

// A Session is a stretch of the acquisition without a pause.
type Session struct {
	Start      time.Time  `json:"start"`
	End        time.Time  `json:"end,omitzero"` // missing: it was ended from outside
	From       int64      `json:"from"`
	To         int64      `json:"to"`
	Ended      string     `json:"ended"` // why, in words; empty while it runs
	Connection Connection `json:"connection"`
	Outages    []Outage   `json:"outages"` // which it outlived
}

// A Connection is how the server was reached and who it proved to be.
type Connection struct {
	Encrypted   bool   `json:"encrypted"` // to the server
	Protocol    string `json:"protocol,omitempty"`
	CipherSuite string `json:"cipherSuite,omitempty"`
	ServerName  string `json:"serverName,omitempty"`
	VerifiedBy  string `json:"verifiedBy,omitempty"` // "ca", "pin", "ca+pin" or "nothing"
	Subject     string `json:"subject,omitempty"`
	Issuer      string `json:"issuer,omitempty"`
	NotBefore   string `json:"notBefore,omitempty"`
	NotAfter    string `json:"notAfter,omitempty"`
	Pin         string `json:"pin,omitempty"`         // SHA-256 of the key, as nbd writes pins
	Certificate string `json:"certificate,omitempty"` // SHA-256 of the certificate, in hex, where it is known
}

// An Outage is a time without a connection.
type Outage struct {
	Start  time.Time `json:"start"`
	End    time.Time `json:"end,omitzero"`
	Reason string    `json:"reason"`
}

// A BlockStatus sums up what the server told of its blocks. What nobody asked,
// or the server did not tell, is unknown.
type BlockStatus struct {
	Asked   bool  `json:"asked"` // false: the export has none, or nobody wanted it
	Data    int64 `json:"data"`
	Zero    int64 `json:"zero"` // allocated, and reads as zeros
	Hole    int64 `json:"hole"` // not allocated, and reads as zeros
	Unknown int64 `json:"unknown"`
	Skipped int64 `json:"skipped"` // not read, since they read as zeros
}

// An Error is a stretch of which a request failed.
type Error struct {
	Time     time.Time `json:"time"`
	What     string    `json:"what"` // "read" or "block status"
	Offset   int64     `json:"offset"`
	Length   int64     `json:"length"`
	Attempts int       `json:"attempts"`   // requests that failed
	Message  string    `json:"message"`    // of the first
	Lost     int64     `json:"zeroFilled"` // bytes of it that no request could read
}

// A Range is a stretch of the image.
type Range struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// A Pass is one more reading, to compare.
type Pass struct {
	Of     string            `json:"of"` // "image": the file was read back; "export": the server was read again
	Start  time.Time         `json:"start"`
	End    time.Time         `json:"end,omitzero"`
	Hashes map[string]string `json:"hashes"`
	Equal  bool              `json:"equal"`
	Failed string            `json:"failed,omitempty"` // why there are no hashes
}

// A Signer is whose signature goes with the log.
type Signer struct {
	Algorithm string `json:"algorithm"` // "ECDSA P-256, SHA-256"
	PublicKey string `json:"publicKey"` // PEM, SubjectPublicKeyInfo
}
