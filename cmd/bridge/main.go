// Command bridge carries raw disks into browsers: it relays WebSockets to NBD
// servers, shows the demo, and is the other end of the tunnel for native tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

const about = `Raw disks in the browser, over NBD, end to end encrypted.

The bridge relays bytes and understands none of them: with TLS on, only the browser and the NBD server can read the disk.

Exit codes: 0 success, 1 failure, 2 a command line that can't be meant.`

type commands struct {
	Serve     serveCommand     `cmd:"" help:"Relay browsers' WebSockets to named NBD servers."`
	Demo      demoCommand      `cmd:"" help:"Show everything at work: an embedded NBD server, the bridge and the pages in one process."`
	ServeDisk serveDiskCommand `cmd:"" help:"Serve disk images over NBD: a small server for those who have none."`
	Info      infoCommand      `cmd:"" help:"Tell what an NBD server exports, directly or through a bridge."`
	Inspect   inspectCommand   `cmd:"" help:"Show what is on a disk: partitions, folders, files."`
	Acquire   acquireCommand   `cmd:"" help:"Read a disk into an image, with hashes and a log: evidence."`
	Config    configCommand    `cmd:"" help:"Look at configuration files."`
	Connect   connectCommand   `cmd:"" help:"Offer an export behind a bridge to native tools, on a local socket."`
	Ticket    ticketCommand    `cmd:"" help:"Print a ticket that admits a client to targets of a bridge."`
}

// A usageError is a command line that parsed but can't be meant.
type usageError struct{ error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// A partialError is what was done but for what could not be.
type partialError struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the process at once
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	var cmds commands
	code := -1
	parser := kong.Must(&cmds, kong.Name("bridge"), kong.Description(about),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Exit(func(c int) { code = c }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	chosen, err := parser.Parse(args)
	if code >= 0 { // --help was given, and printed
		return code
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bridge: %v\nTry: bridge --help\n", err)
		return 2
	}
	return exitCode(chosen.Run())
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "bridge: %v\n", err)
	if errors.As(err, new(usageError)) {
		return 2
	}
	if errors.As(err, new(partialError)) {
		return 3
	}
	return 1
}
