package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"nbdbridge/nbd"
	"nbdbridge/nbd/device"
)

// openDisks exports files under their names without the folder.
func openDisks(paths []string, readOnly bool) (exports []nbd.Export, closeAll func(), err error) {
	if err := distinctNames(paths); err != nil {
		return nil, nil, err
	}
	var files []*device.File
	closeAll = func() {
		for _, f := range files {
			f.Close()
		}
	}
	for _, path := range paths {
		f, err := openDisk(path, readOnly)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		files = append(files, f)
		exports = append(exports, nbd.Export{
			Name: filepath.Base(path), Description: describe(readOnly),
			Device: f, ReadOnly: readOnly,
		})
	}
	return exports, closeAll, nil
}

func describe(readOnly bool) string {
	if readOnly {
		return "image, read-only"
	}
	return "image"
}

func openDisk(path string, readOnly bool) (*device.File, error) {
	f, err := device.OpenFile(path, readOnly)
	if errors.Is(err, fs.ErrPermission) && !readOnly {
		return nil, fmt.Errorf("%w\nWith --read-only it need not be writable", err)
	}
	if err != nil {
		return nil, err
	}
	if f.Size() == 0 {
		f.Close()
		return nil, fmt.Errorf("%s: it is empty\nGive it a size first, as in: truncate -s 10G %[1]s", path)
	}
	return f, nil
}

func distinctNames(paths []string) error {
	seen := map[string]bool{}
	for _, path := range paths {
		name := filepath.Base(path)
		if seen[name] {
			return usagef("two images are named %q: rename one", name)
		}
		seen[name] = true
	}
	return nil
}
