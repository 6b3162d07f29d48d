// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const blockSize = 64 << 10

// blocks are blocks of 64 KiB, by their number.
type blocks map[int64]bool

func (b blocks) add(offset, length int64) {
	for i := offset / blockSize; length > 0 && i <= (offset+length-1)/blockSize; i++ {
		b[i] = true
	}
}

// layer is one file of a disk with its descriptor: the flat base, or a delta over a parent.
type layer struct {
	datastore *simulator.Datastore
	file      string // the descriptor, in the datastore: "app01/app01-000001.vmdk"
	data      string // the bytes: path on this computer
	size      int64
	parent    *layer
	delta     *sparse // nil: flat
	thin      bool
	cid       uint32
	uuid      string // as descriptors and backings have it
	mapping   string // a raw device mapping: "physicalMode" or "virtualMode"
}

func (l *layer) name() string { return fmt.Sprintf("[%s] %s", l.datastore.Name, l.file) }

func (l *layer) descriptor() string { return filepath.Join(directoryOf(l.datastore), l.file) }

func stem(file string) string { return strings.TrimSuffix(file, ".vmdk") }

// uuidText is the way in which descriptors write one: "60 00 C2 9f ... -..".
func uuidText(id string) string {
	digits := strings.ReplaceAll(id, "-", "")
	var out []string
	for i := 0; i+1 < len(digits); i += 2 {
		out = append(out, digits[i:i+2])
	}
	return strings.Join(out[:8], " ") + "-" + strings.Join(out[8:], " ")
}

func newDiskUUID() string { return "6000C29" + uuid.New().String()[7:] }

// newFlat makes a base disk of zeros.
func (w *world) newFlat(ds *simulator.Datastore, file string, size int64, thin bool, id string) (*layer, *failure) {
	if id == "" {
		id = newDiskUUID()
	}
	l := &layer{
		datastore: ds, file: file, size: size, thin: thin, uuid: id, cid: 0xfffffffe,
		data: filepath.Join(directoryOf(ds), stem(file)+"-flat.vmdk"),
	}
	if _, err := os.Stat(l.descriptor()); err == nil {
		return nil, fail(&types.FileAlreadyExists{FileFault: types.FileFault{File: l.name()}},
			"Cannot complete the operation because the file or folder %s already exists", l.name())
	}
	f, err := os.OpenFile(l.data, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0600)
	if err == nil {
		err = f.Truncate(size)
		f.Close()
	}
	if err == nil {
		err = l.writeDescriptor()
	}
	if err != nil {
		return nil, fail(&types.CannotCreateFile{FileFault: types.FileFault{File: l.name()}}, "%s", err)
	}
	w.files[l.descriptor()] = l
	return l, nil
}

// newDelta makes a layer over `parent`, with the lowest number that is free.
func (w *world) newDelta(parent *layer) (*layer, *failure) {
	base := parent.base()
	for number := 1; number < 1000; number++ {
		file := fmt.Sprintf("%s-%06d.vmdk", stem(base.file), number)
		l := &layer{
			datastore: base.datastore, file: file, size: parent.size, parent: parent,
			uuid: parent.uuid, cid: parent.cid,
			data: filepath.Join(directoryOf(base.datastore), stem(file)+"-delta.vmdk"),
		}
		if _, err := os.Stat(l.descriptor()); err == nil {
			continue
		}
		var err error
		if l.delta, err = newSparse(l.data, l.size, uint32(number)); err == nil {
			err = l.writeDescriptor()
		}
		if err != nil {
			return nil, fail(&types.CannotCreateFile{FileFault: types.FileFault{File: l.name()}}, "%s", err)
		}
		w.files[l.descriptor()] = l
		return l, nil
	}
	return nil, fail(&types.SystemError{Reason: "names"}, "no name is left for a delta disk")
}

func (l *layer) base() *layer {
	for l.parent != nil {
		l = l.parent
	}
	return l
}

// chain are the layer and all below it, the base last.
func (l *layer) chain() []*layer {
	var all []*layer
	for ; l != nil; l = l.parent {
		all = append(all, l)
	}
	return all
}

func (l *layer) writeDescriptor() error {
	var out strings.Builder
	kind, extent, parentCID := "vmfs", "VMFS", uint32(0xffffffff)
	switch {
	case l.delta != nil:
		kind, extent, parentCID = "vmfsSparse", "VMFSSPARSE", l.parent.cid
	case l.mapping == "physicalMode":
		kind, extent = "vmfsPassthroughRawDeviceMap", "VMFSRDM"
	case l.mapping != "":
		kind, extent = "vmfsRawDeviceMap", "VMFSRDM"
	}
	fmt.Fprintf(&out, "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=%08x\nparentCID=%08x\n", l.cid, parentCID)
	if l.delta != nil {
		fmt.Fprintf(&out, "createType=%q\nparentFileNameHint=%q\n", kind, path.Base(l.parent.file))
	} else {
		fmt.Fprintf(&out, "createType=%q\n", kind)
	}
	fmt.Fprintf(&out, "# Extent description\nRW %d %s %q\n\n", l.size/sectorSize, extent, filepath.Base(l.data))
	fmt.Fprint(&out, "# The Disk Data Base \n#DDB\n\n")
	if l.delta == nil {
		fmt.Fprintf(&out, "ddb.adapterType = \"lsilogic\"\nddb.geometry.cylinders = \"%d\"\n", l.size/(255*63*sectorSize))
		fmt.Fprint(&out, "ddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\n")
		if l.thin {
			fmt.Fprint(&out, "ddb.thinProvisioned = \"1\"\n")
		}
		fmt.Fprintf(&out, "ddb.uuid = %q\nddb.virtualHWVersion = \"14\"\n", uuidText(l.uuid))
	}
	fmt.Fprintf(&out, "ddb.longContentID = \"%032x\"\n", l.cid)
	return os.WriteFile(l.descriptor(), []byte(out.String()), 0600)
}

// read fills `data` with what the disk is at this layer; whole sectors.
func (l *layer) read(offset int64, data []byte) error {
	if l.parent != nil {
		if err := l.parent.read(offset, data); err != nil {
			return err
		}
		return l.delta.overlay(offset, data)
	}
	file, err := os.Open(l.data)
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := file.ReadAt(data, offset)
	if err == io.EOF {
		for i := range data[n:] {
			data[n+i] = 0
		}
		err = nil
	}
	return err
}

// write changes this layer; whole sectors.
func (l *layer) write(offset int64, data []byte) error {
	if offset < 0 || offset%sectorSize != 0 || len(data)%sectorSize != 0 || offset+int64(len(data)) > l.size {
		return fmt.Errorf("not in whole sectors of the disk")
	}
	if l.delta != nil {
		return l.delta.write(offset, data)
	}
	file, err := os.OpenFile(l.data, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt(data, offset)
	return err
}

// mergeDown writes what is here into the parent.
func (l *layer) mergeDown() error {
	data := make([]byte, sectorSize)
	for _, sector := range l.delta.list() {
		if err := l.delta.overlay(sector*sectorSize, data); err != nil {
			return err
		}
		if err := l.parent.write(sector*sectorSize, data); err != nil {
			return err
		}
	}
	return nil
}

// allocated are the blocks that have ever been written, as far as the file system remembers.
func (l *layer) allocated() (blocks, error) {
	all := blocks{}
	for ; l != nil; l = l.parent {
		if l.delta != nil {
			for sector := range l.delta.sectors {
				all.add(sector*sectorSize, sectorSize)
			}
			continue
		}
		file, err := os.Open(l.data)
		if err != nil {
			return nil, err
		}
		err = eachData(file, l.size, all.add)
		file.Close()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

const (
	seekData = 3
	seekHole = 4
)

func eachData(file *os.File, size int64, each func(offset, length int64)) error {
	for at := int64(0); at < size; {
		start, err := file.Seek(at, seekData)
		if err != nil {
			if p, ok := err.(*os.PathError); ok && p.Err == syscall.ENXIO {
				return nil
			}
			return err
		}
		end, err := file.Seek(start, seekHole)
		if err != nil {
			return err
		}
		if end > size {
			end = size
		}
		if end > start {
			each(start, end-start)
		}
		at = end
	}
	return nil
}

// removeFiles deletes a layer.
func (w *world) removeFiles(l *layer) {
	_ = os.Remove(l.descriptor())
	_ = os.Remove(l.data)
	delete(w.files, l.descriptor())
}

// layerAt is the disk whose descriptor, or whose data, is at a path of this computer.
func (w *world) layerAt(path string) *layer {
	if l := w.files[path]; l != nil {
		return l
	}
	for _, l := range w.files {
		if l.data == path {
			return l
		}
	}
	return nil
}
