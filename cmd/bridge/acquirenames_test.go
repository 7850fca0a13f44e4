package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A log never takes the place of the image or of what it is made of, whatever
// way its name is written.
func TestAcquireRefusesLogsInThePlaceOfTheImage(t *testing.T) {
	l := newLab(t, randomDisk(t, 1<<20))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(l.dir, link); err != nil {
		t.Fatal(err)
	}
	for image, log := range map[string]string{
		"a.img":      l.dir + "/./a.img.part",
		"b.img":      link + "/b.img.part.state",
		"c.txt":      l.image("c.json"),
		"d.json.sig": l.image("d.json"),
	} {
		if _, stderr := l.acquire(t, 2, l.image(image), "--log", log); missing(stderr, "is the name of the image") != "" {
			t.Errorf("%s: %s", image, stderr)
		}
	}
}

// Two acquisitions that write one log: the second does not overwrite that of the
// first, and is not lost by it.
func TestAcquireOverwritesNoLogOfAnother(t *testing.T) {
	l := newLab(t, randomDisk(t, 1<<20))
	log := l.image("log.json")
	second := newAcquisition(t, &acquireCommand{URL: l.url(), File: l.image("b.img"), Log: log, GiveUp: time.Second})
	if err := second.check(); err != nil {
		t.Fatal(err)
	}
	l.acquire(t, 0, l.image("a.img"), "--log", log)
	first, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, second.run(t.Context()), false, log, "not overwritten", "--resume")
	if now, err := os.ReadFile(log); err != nil || string(now) != string(first) {
		t.Errorf("%q, error %v", now, err)
	}
	l.acquire(t, 0, l.image("b.img"), "--resume")
	l.wantWhole(t, l.image("b.img"))
}

// A signature that is left of a log that was written and written again is not
// that of the log.
func TestAcquireLeavesNoSignatureOfAnotherLog(t *testing.T) {
	l := newLab(t, randomDisk(t, 1<<20))
	image := l.image("a.img")
	a := newAcquisition(t, &acquireCommand{URL: l.url(), File: image, GiveUp: time.Second})
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.signer = key
	if err := errors.Join(a.take(t.Context()), a.acquire(t.Context()), os.WriteFile(image, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	wantError(t, a.finish(), false, "has come to be meanwhile")
	a.part.Close()
	if err := os.Remove(image); err != nil || !exists(a.signatureName()) {
		t.Fatal(err)
	}
	l.acquire(t, 0, image, "--resume")
	if l.wantWhole(t, image); exists(a.signatureName()) {
		t.Error("there is a signature that nobody asked for")
	}
}
