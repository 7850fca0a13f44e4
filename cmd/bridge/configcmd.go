package main

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"nbdbridge/bridge/config"
	"nbdbridge/bridge/ticket"
)

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Tell whether bridge serve would take a configuration file."`
}

type configCheckCommand struct {
	File string `arg:"" help:"The file, as for bridge serve --config."`
}

// Help is shown by --help.
func (*configCheckCommand) Help() string {
	return `Every error is printed with its line and column. The keys and certificates that the file names are read too; nothing is listened on or connected to, and no URL is asked. A good file is told of with a summary, and with what bridge serve would warn of.

Exit codes: 0 a good file, 1 a bad one.`
}

func (c *configCheckCommand) Run() error {
	cfg, err := config.Read(c.File)
	if err == nil {
		err = cfg.Check()
	}
	if err != nil {
		return badFile(err)
	}
	if err := loadFiles(cfg); err != nil {
		return badFile(err)
	}
	fmt.Printf("%s: ok: %s\n", c.File, summary(cfg))
	for _, text := range warnings(cfg, planned(cfg)) {
		fmt.Printf("warning: %s\n", text)
	}
	if len(cfg.Targets) == 0 {
		fmt.Println("warning: there is no target: bridge serve needs one by --target")
	}
	return nil
}

// loadFiles reads the keys and certificates that a configuration names.
func loadFiles(c *config.Config) error {
	_, tlsErr := newOuterTLS(c, nil)
	_, keys, err := authorize(c, &ticket.Once{}, nil)
	keys.Close()
	return errors.Join(tlsErr, err)
}

// planned is where a configuration listens.
func planned(c *config.Config) (at []net.Addr) {
	for _, l := range c.Listen {
		at = append(at, addressOf(l))
	}
	return at
}

func summary(c *config.Config) string {
	secure, need := "no TLS", "no authentication"
	if c.TLS.Cert != "" {
		secure = "TLS"
	}
	switch n := c.Auth.Methods(); {
	case n > 1 && c.Auth.Need == config.NeedAll:
		need = fmt.Sprintf("authentication by all of %d methods", n)
	case n > 1:
		need = fmt.Sprintf("authentication by any of %d methods", n)
	case n == 1:
		need = "authentication by 1 method"
	}
	return strings.Join([]string{count(max(1, len(c.Listen)), "listener"), count(len(c.Targets), "target"), secure, need}, ", ")
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}
