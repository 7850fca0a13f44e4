package bridge

import ( // until they are used
	_ "golang.org/x/sys/unix"
)
