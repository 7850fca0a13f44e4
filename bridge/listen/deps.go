package listen

import ( // until they are used
	_ "github.com/coreos/go-systemd/v22/activation"
	_ "github.com/pires/go-proxyproto"
)
