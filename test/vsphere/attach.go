// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// attached is what happens when a running machine gets a disk of another one: a redo log beside
// it, and in its guest a device, which a command of the test makes appear.
func (w *world) attached(m *machine, d *disk) {
	if d.nonpersistent() {
		d.redo = fmt.Sprintf("%s-REDO_%s.vmdk", stem(d.top.descriptor()), m.vm.Self.Value)
		_ = os.WriteFile(d.redo, []byte("redo log"), 0600)
	}
	w.tell(m, d, "attach")
}

func (w *world) detached(m *machine, d *disk) {
	if d.redo != "" {
		_ = os.Remove(d.redo)
	} else if !d.nonpersistent() {
		w.untrack(d.top)
	}
	w.tell(m, d, "detach")
}

// untrack begins the tracking anew where somebody else could write: what the owner's changes were
// is not all that has changed.
func (w *world) untrack(l *layer) {
	for _, m := range w.machines {
		for _, d := range m.disks {
			if d.top == l && !d.foreign && d.tracker != nil {
				d.tracker = newTracker(true)
			}
		}
	}
}

// image is a file with the bytes of a disk: its own when it is flat.
func (w *world) image(d *disk) string {
	if d.top.delta == nil {
		return d.top.data
	}
	return filepath.Join(w.directory, "attached-"+strings.ReplaceAll(d.top.uuid, "-", ""))
}

// flatten writes the image of a disk of several layers.
func (w *world) flatten(d *disk) error {
	file, err := os.Create(w.image(d))
	if err != nil {
		return err
	}
	defer file.Close()
	if err = file.Truncate(d.top.size); err != nil {
		return err
	}
	there, err := d.top.allocated()
	if err != nil {
		return err
	}
	data := make([]byte, blockSize)
	for block := range there {
		part := data
		if rest := d.top.size - block*blockSize; rest < blockSize {
			part = data[:rest]
		}
		if err = d.top.read(block*blockSize, part); err != nil {
			return err
		}
		if _, err = file.WriteAt(part, block*blockSize); err != nil {
			return err
		}
	}
	return nil
}

// tell makes a device appear, or go.
func (w *world) tell(m *machine, d *disk, event string) {
	if w.settings.AttachCommand == "" && w.settings.AttachLinks == "" {
		return
	}
	if event == "attach" && d.top.delta != nil {
		if err := w.flatten(d); err != nil {
			w.panics = append(w.panics, "flatten: "+err.Error())
		}
	}
	id := strings.ReplaceAll(strings.ToLower(d.top.uuid), "-", "")
	if directory := w.settings.AttachLinks; directory != "" {
		link := filepath.Join(directory, "wwn-0x"+id)
		_ = os.Remove(link)
		if event == "attach" {
			_ = os.Symlink(w.image(d), link)
		}
	}
	if w.settings.AttachCommand != "" {
		limit, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		command := exec.CommandContext(limit, "/bin/sh", "-c", w.settings.AttachCommand)
		command.Env = append(os.Environ(),
			"SIM_EVENT="+event, "SIM_MACHINE="+m.name(), "SIM_FILE="+d.top.name(),
			"SIM_IMAGE="+w.image(d), "SIM_UUID="+id, "SIM_PLACE="+m.placeOf(d.device),
			fmt.Sprint("SIM_SIZE=", d.top.size), "SIM_MODE="+d.mode())
		if out, err := command.CombinedOutput(); err != nil {
			w.panics = append(w.panics, fmt.Sprintf("attach command: %v: %s", err, out))
		}
	}
	if event == "detach" && d.top.delta != nil {
		_ = os.Remove(w.image(d))
	}
}
