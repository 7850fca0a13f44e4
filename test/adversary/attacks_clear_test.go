package adversary

import (
	"fmt"
	"strings"
	"testing"

	"nbdbridge/nbd"
)

// on alters the messages of one kind and direction that fit.
func on(up bool, kind string, do func(b *bridge, m message) []byte) rule {
	return func(b *bridge, m message) []byte {
		if m.up == up && m.kind == kind {
			return do(b, m)
		}
		return m.data
	}
}

// instead puts other bytes in the place of the first message of a kind.
func instead(up bool, kind string, data []byte) rule {
	return on(up, kind, func(_ *bridge, m message) []byte {
		if m.nth > 0 {
			return m.data
		}
		return data
	})
}

// answers replies to STARTTLS itself, and to ABORT as a server does.
func answers(data []byte) rule {
	return on(true, kindOption, func(b *bridge, m message) []byte {
		if m.opt == optStartTLS {
			_, _ = b.client.Write(data)
			return nil
		}
		_, _ = b.client.Write(reply(m.opt, repAck, nil))
		return nil
	})
}

// behindAck appends to the acknowledgement of STARTTLS.
func behindAck(data []byte) rule {
	return on(false, kindReply, func(_ *bridge, m message) []byte { return cat(m.data, data) })
}

// injects sends options to the server before STARTTLS, and keeps what it
// answers from the client.
func injects(options ...[]byte) rule {
	hidden := func(m message) bool { return m.kind == kindReply && m.opt != optStartTLS }
	return func(b *bridge, m message) []byte {
		switch {
		case m.kind == kindOption && m.opt == optStartTLS:
			return cat(cat(options...), m.data)
		case hidden(m):
			return nil
		}
		return m.data
	}
}

// plainBehind is a server that an attacker can use in plain text.
func plainBehind() *nbd.Server { return serving(nil, 0) }

// clearAttacks are done to what travels before TLS.
var clearAttacks = []attack{
	{"A1_flag_stripping", []play{
		{name: "server", scene: scene{alter: instead(false, kindGreeting, greeting(2))}, want: verdict(downgraded).says("fixed newstyle")},
		{name: "server_all", scene: scene{alter: instead(false, kindGreeting, greeting(0))}, want: downgraded},
		{name: "server_more", scene: scene{alter: instead(false, kindGreeting, greeting(0xffff))}, want: harmless},
		{name: "client", scene: scene{alter: instead(true, kindFlags, u32(2))}, want: ended},
		{name: "client_all", scene: scene{alter: instead(true, kindFlags, u32(0))}, want: ended},
		{name: "client_more", scene: scene{alter: instead(true, kindFlags, u32(0xffffffff))}, want: ended},
		{name: "plain_server", scene: scene{server: plainBehind(), alter: instead(false, kindGreeting, greeting(0))}, want: downgraded},
	}},
	{"A2_oldstyle", []play{
		{name: "oldstyle", scene: scene{alter: instead(false, kindGreeting, oldstyle(diskSize))}, want: verdict(downgraded).says("oldstyle")},
		{name: "oldstyle_plain_server", scene: scene{server: plainBehind(), alter: instead(false, kindGreeting, oldstyle(diskSize))}, want: downgraded},
		{name: "unknown_magic", scene: scene{alter: instead(false, kindGreeting, []byte("NBDMAGICIHAVEOPX\x00\x03"))}, want: broken},
	}},
	{"A3_STARTTLS_refused", append(refusals(),
		play{name: "swallowed", scene: scene{alter: on(true, kindOption, func(*bridge, message) []byte { return nil })}, want: timedOut},
		play{name: "hung_up", scene: scene{alter: on(true, kindOption, func(b *bridge, _ message) []byte { b.cut(); return nil })}, want: ended},
		play{name: "answer_swallowed", scene: scene{alter: on(false, kindReply, func(*bridge, message) []byte { return nil })}, want: timedOut},
		play{name: "other_option_answered", scene: scene{alter: answers(reply(optList, repAck, nil))}, want: broken},
		play{name: "acknowledged_for_a_plain_server", scene: scene{server: plainBehind(), alter: answers(reply(optStartTLS, repAck, nil))}, want: ended},
	)},
	{"A6_state_injection", []play{
		{name: "structured_replies", scene: scene{server: optional(), alter: injects(option(optStructured, nil))}, want: harmless},
		{name: "extended_headers", scene: scene{server: optional(), alter: injects(option(optExtended, nil))}, want: harmless},
		{name: "meta_context", scene: scene{server: optional(), alter: injects(option(optStructured, nil), option(optSetMeta, metaRequest("vda", "base:allocation")))}, want: harmless},
		{name: "LIST", scene: scene{server: optional(), alter: injects(option(optList, nil))}, want: harmless},
		{name: "forced", scene: scene{alter: injects(option(optStructured, nil), option(optExtended, nil), option(optSetMeta, nil))}, want: harmless},
		{name: "answer_let_through", scene: scene{alter: on(true, kindOption, func(_ *bridge, m message) []byte {
			return cat(option(optStructured, nil), m.data)
		})}, want: broken},
		{name: "accepted_and_forgotten", do: injectedState},
		{name: "STARTTLS_twice", scene: scene{alter: on(true, kindOption, func(_ *bridge, m message) []byte { return cat(m.data, m.data) })}, want: ended},
	}},
	{"A7_injection_at_the_switch", []play{
		{name: "replies_behind_ACK", scene: scene{alter: behindAck(cat(reply(optStructured, repAck, nil), reply(optGo, repInfo, infoExport(1, 1)), reply(optGo, repAck, nil)))}, want: broken},
		{name: "byte_behind_ACK", scene: scene{alter: behindAck([]byte{0})}, want: broken},
		{name: "alert_behind_ACK", scene: scene{alter: behindAck(record(recordAlert, []byte{2, 40}))}, want: distrusted},
		{name: "data_record_behind_ACK", scene: scene{alter: behindAck(record(recordData, reply(optGo, repAck, nil)))}, want: broken},
		{name: "option_behind_STARTTLS", scene: scene{alter: on(true, kindOption, func(_ *bridge, m message) []byte {
			return cat(m.data, option(optGo, exportRequest("vda")))
		})}, want: ended},
		{name: "record_behind_STARTTLS", scene: scene{alter: on(true, kindOption, func(_ *bridge, m message) []byte {
			return cat(m.data, record(recordData, option(optGo, exportRequest("vda"))))
		})}, want: ended},
	}},
	{"A8_NO_ZEROES", []play{
		{name: "server_flag", scene: scene{alter: instead(false, kindGreeting, greeting(1))}, want: harmless},
		{name: "client_flag", scene: scene{alter: instead(true, kindFlags, u32(1))}, want: harmless},
		{name: "both", scene: scene{alter: func(_ *bridge, m message) []byte {
			switch m.kind {
			case kindGreeting:
				return greeting(1)
			case kindFlags:
				return u32(3)
			}
			return m.data
		}}, want: harmless},
		{name: "EXPORT_NAME_before_TLS", scene: scene{alter: injects(option(optExportName, []byte("vda")))}, want: ended},
	}},
	{"A9_forged_answers_before_TLS", []play{
		{name: "LIST", scene: scene{alter: answers(reply(optStartTLS, repServer, cat(u32(3), []byte("vda"))))}, want: broken},
		{name: "INFO", scene: scene{alter: answers(reply(optStartTLS, repInfo, infoExport(diskSize, 1)))}, want: broken},
		{name: "GO", scene: scene{alter: answers(cat(reply(optGo, repInfo, infoExport(diskSize, 1)), reply(optGo, repAck, nil)))}, want: broken},
		{name: "acknowledgement_with_data", scene: scene{alter: answers(reply(optStartTLS, repAck, []byte("vda")))}, want: broken},
	}},
	{"A22_memory", []play{
		{name: "ACK_of_4_GiB", scene: scene{alter: answers(claim(optStartTLS, repAck, 1<<32-1))}, want: broken},
		{name: "SERVER_of_2_GiB", scene: scene{alter: answers(claim(optStartTLS, repServer, 1<<31))}, want: broken},
		{name: "error_of_4_GiB", scene: scene{alter: answers(claim(optStartTLS, errPolicy, 1<<32-1))}, want: broken},
		{name: "record_of_64_KiB", scene: scene{alter: behindAck([]byte{recordHandshake, 3, 3, 0xff, 0xff})}, want: ended},
	}},
	{"A23_display", []play{
		{name: "error_text", do: displayInjection},
	}},
	{"A24_other_protocol", []play{
		{name: "SMTP", do: banner("220 mail.test ESMTP ready\r\n")},
		{name: "HTTP", do: banner("HTTP/1.1 400 Bad Request\r\n\r\n")},
		{name: "SSH", do: banner("SSH-2.0-OpenSSH_9.2\r\n")},
		{name: "TLS", do: banner("\x16\x03\x01\x00\x04\x0e\x00\x00\x00 and more of it")},
	}},
	{"A25_forged_SHUTDOWN", []play{
		{name: "to_STARTTLS", scene: scene{alter: answers(reply(optStartTLS, errShutdown, nil))}, want: refusedSoftly},
	}},
}

// refusals are every error that STARTTLS may be answered with, and one that
// nobody knows.
func refusals() (plays []play) {
	for _, typ := range []uint32{errUnsup, errPolicy, errInvalid, errPlatform, errTLSReqd, errUnknown, errTooBig, 0x80000008, 0x8000000a, 0xffffffff} {
		for name, server := range map[string]*nbd.Server{"forced": nil, "plain": plainBehind()} {
			plays = append(plays, play{name: fmt.Sprintf("%#x/%s", typ, name), scene: scene{server: server, alter: answers(reply(optStartTLS, typ, nil))}, want: downgraded})
		}
	}
	return plays
}

// optional is a server that offers TLS and demands it for nothing.
func optional() *nbd.Server { return serving(serverTLS(serverCert()), nbd.OptionalTLS) }

// injectedState makes sure that the server did take the state that is forgotten.
func injectedState(t *testing.T) {
	for name, injected := range map[string][][]byte{
		"structured": {option(optStructured, nil), option(optSetMeta, metaRequest("vda", "base:allocation"))},
		"extended":   {option(optExtended, nil), option(optSetMeta, metaRequest("vda", "base:allocation"))},
	} {
		taken := 0
		inject := injects(injected...)
		o := scene{server: optional(), alter: func(b *bridge, m message) []byte {
			if m.kind == kindReply && m.opt != optStartTLS && m.typ == repAck {
				taken++
			}
			return inject(b, m)
		}}.play(t)
		if wrong := harmless(o); wrong != "" || taken != len(injected) {
			t.Errorf("%s: %s: %v; the server took %d of the options", name, wrong, o.err, taken)
		}
	}
}

func refusedSoftly(o outcome) string {
	if wrong := ended(o); wrong != "" {
		return wrong
	}
	if !strings.HasSuffix(string(o.sent), string(option(optAbort, nil))) {
		return "the client did not say ABORT"
	}
	return untouched(o)
}

func displayInjection(t *testing.T) {
	text := []byte("<script>\x1b[2J\x00\u202eno\r\nGET / \x07")
	o := scene{alter: answers(reply(optStartTLS, errPolicy, text))}.play(t)
	if wrong := downgraded(o); wrong != "" || strings.ContainsAny(o.err.Error(), "\x1b\x00\x07\r\n\u202e") {
		t.Errorf("%s: %q", wrong, o.err)
	}
}

// banner is a server of another protocol: it never hears a byte of us.
func banner(text string) func(t *testing.T) {
	return func(t *testing.T) {
		o := scene{alter: instead(false, kindGreeting, []byte(text))}.play(t)
		if wrong := broken(o); wrong != "" || len(o.sent) > 0 {
			t.Errorf("%s: %v; sent %q", wrong, o.err, o.sent)
		}
	}
}
