// Package nbd speaks the Network Block Device protocol over any net.Conn.
//
// A session has two phases. In the negotiation a client asks for one option
// after the other, in lock-step; NBD_OPT_STARTTLS turns the rest of the
// connection into TLS. NBD_OPT_GO ends it: from then on the client sends
// requests, many at a time, and the server answers them in any order.
//
//	client, err := nbd.NewClient(ctx, conn, &nbd.Config{TLS: nbd.TLSConfig{RootCAs: pool, ServerName: "nbd7.lab"}})
//	disk, err := client.Open(ctx, "vda")
//	err = disk.Read(ctx, buf, 4096)
//
// The references are to doc/proto.md of the NBD project, by section heading.
package nbd
