package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A description is what nbdinfo --json tells.
type description struct {
	Protocol   string
	TLS        bool
	Structured bool
	Exports    []struct {
		Name          string `json:"export-name"`
		Description   string
		Size          int64 `json:"export-size"`
		Contexts      []string
		ReadOnly      bool   `json:"is_read_only"`
		Rotational    bool   `json:"is_rotational"`
		Cache         bool   `json:"can_cache"`
		DF            bool   `json:"can_df"`
		FastZero      bool   `json:"can_fast_zero"`
		Flush         bool   `json:"can_flush"`
		FUA           bool   `json:"can_fua"`
		MultiConn     bool   `json:"can_multi_conn"`
		Trim          bool   `json:"can_trim"`
		Zero          bool   `json:"can_zero"`
		Minimum       int64  `json:"block_size_minimum"`
		Preferred     int64  `json:"block_size_preferred"`
		Maximum       int64  `json:"block_size_maximum"`
		ContentFormat string `json:"content"`
	}
}

// TestNbdinfo describes one export and all of them, in words and in JSON.
func TestNbdinfo(t *testing.T) {
	need(t, "nbdinfo")
	eachOwn(t, func(t *testing.T, o *ownServer) {
		one := describe(t, o, "--json", o.uri("sparse"))
		if len(one.Exports) != 1 || one.Exports[0].Name != "sparse" || one.Exports[0].Size != sparseSize {
			t.Errorf("one: %+v", one)
		}
		e := one.Exports[0]
		if !slices.Equal(e.Contexts, []string{"base:allocation"}) || e.ReadOnly || !e.DF || !e.FastZero || !e.Trim || !e.Zero || !e.Cache || !e.FUA || !e.Flush || !e.MultiConn {
			t.Errorf("sparse: %+v", e)
		}
		all := describe(t, o, "--list", "--json", o.uri(""))
		if len(all.Exports) != 4 {
			t.Fatalf("list: %+v", all)
		}
		memory, frozen, blocks := all.Exports[0], all.Exports[2], all.Exports[3]
		if memory.Description != "bytes in memory" || memory.Trim || memory.FastZero || !memory.Zero {
			t.Errorf("memory: %+v", memory)
		}
		if !frozen.ReadOnly || frozen.Size != diskSize || frozen.Trim || frozen.Zero {
			t.Errorf("frozen: %+v", frozen)
		}
		if blocks.Minimum != 4096 || blocks.Preferred != 65536 || blocks.Maximum != mega {
			t.Errorf("blocks: %+v", blocks)
		}
		for _, args := range [][]string{{"--color"}, {"--no-content"}, {"--content"}, {"--list", "--no-content"}, {"--list", "--content"}} {
			if text := run(t, "nbdinfo", append(args, o.uri("memory"))...); !strings.Contains(text, "8389120") {
				t.Errorf("%q: %s", args, text)
			}
		}
	})
}

// describe checks what is true of the whole connection.
func describe(t *testing.T, o *ownServer, args ...string) (d description) {
	t.Helper()
	text := run(t, "nbdinfo", args...)
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if d.Protocol != "newstyle-fixed" || d.TLS != (o.p != nil) || !d.Structured {
		t.Errorf("%q: %s", args, text)
	}
	return d
}

// TestNbdinfoSize also asks for the default export.
func TestNbdinfoSize(t *testing.T) {
	need(t, "nbdinfo")
	eachOwn(t, func(t *testing.T, o *ownServer) {
		for export, want := range map[string]int{"": diskSize, "memory": diskSize, "sparse": sparseSize, "blocks": 16 * mega} {
			if got := run(t, "nbdinfo", "--size", o.uri(export)); strings.TrimSpace(got) != fmt.Sprint(want) {
				t.Errorf("%q: %s", export, got)
			}
		}
		if text, err := try("nbdinfo", "--size", o.uri("nobody")); err == nil || !strings.Contains(text, "nobody") {
			t.Errorf("an unknown export: %v, %s", err, text)
		}
	})
}

// TestNbdinfoCan asks for every ability by its name: no is exit code 2.
func TestNbdinfoCan(t *testing.T) {
	need(t, "nbdinfo")
	eachOwn(t, func(t *testing.T, o *ownServer) {
		for _, c := range []struct{ export, yes, no string }{
			{"sparse", "connect read write cache df fast-zero flush fua multi-conn trim zero structured-reply", ""},
			{"memory", "connect read write df flush fua multi-conn zero structured-reply", "trim fast-zero cache"},
			{"frozen", "connect read df flush multi-conn structured-reply", "write trim zero fast-zero"},
		} {
			for _, what := range strings.Fields(c.yes) {
				if out, err := try("nbdinfo", "--can", what, o.uri(c.export)); err != nil {
					t.Errorf("%s can't %s: %v %s", c.export, what, err, out)
				}
			}
			for _, what := range strings.Fields(c.no) {
				if _, err := try("nbdinfo", "--can", what, o.uri(c.export)); exitCode(err) != 2 {
					t.Errorf("%s can %s: %v", c.export, what, err)
				}
			}
		}
		for what, want := range map[string]int{"read-only": 0, "rotational": 2} {
			if _, err := try("nbdinfo", "--is", what, o.uri("frozen")); exitCode(err) != want {
				t.Errorf("is %s: %v", what, err)
			}
		}
		if _, err := try("nbdinfo", "--is", "tls", o.uri("memory")); (exitCode(err) == 0) != (o.p != nil) {
			t.Errorf("is tls: %v", err)
		}
	})
}

func exitCode(err error) int {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// TestNbdinfoMap shows data and holes, and their sums.
func TestNbdinfoMap(t *testing.T) {
	need(t, "nbdinfo")
	eachOwn(t, func(t *testing.T, o *ownServer) {
		var got []struct {
			Offset, Length int64
			Type           int
		}
		text := run(t, "nbdinfo", "--map", "--json", o.uri("sparse"))
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		want := runs(mega, hole, 2*mega, 0, 5*mega, hole, 2*mega, 0, sparseSize-10*mega, hole)
		if len(got) != len(want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for i, e := range want {
			if got[i].Offset != e.Offset || got[i].Length != e.Length || uint64(got[i].Type) != e.Status {
				t.Errorf("got %v, want %v", got[i], e)
			}
		}
		totals := run(t, "nbdinfo", "--map=base:allocation", "--totals", o.uri("sparse"))
		if !strings.Contains(totals, fmt.Sprint(4*mega)) || !strings.Contains(totals, fmt.Sprint(sparseSize-4*mega)) {
			t.Errorf("totals: %s", totals)
		}
		if text := run(t, "nbdinfo", "--map", o.uri("memory")); len(strings.Split(strings.TrimSpace(text), "\n")) != 1 || !strings.Contains(text, "data") {
			t.Errorf("a device that can't tell: %s", text)
		}
		if text, err := try("nbdinfo", "--map=qemu:dirty-bitmap:b0", o.uri("sparse")); err == nil {
			t.Errorf("a context that is not there: %s", text)
		}
	})
}
