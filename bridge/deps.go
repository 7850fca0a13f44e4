package bridge

import ( // until they are used
	_ "github.com/pires/go-proxyproto"
	_ "golang.org/x/time/rate"
)
