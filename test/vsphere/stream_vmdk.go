// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A streamOptimized VMDK as it comes in (VMware Virtual Disk Format 5.0): header, descriptor,
// grains each behind a marker, tables, directory, footer, end of stream.  The reader trusts
// nothing: what servers would refuse, or what would leave a reader of the file with other bytes,
// is an error with words.

const (
	vmdkMagic        = 0x564d444b
	markerEOS        = 0
	markerGrainTable = 1
	markerDirectory  = 2
	markerFooter     = 3
	gdAtEnd          = 0xffffffffffffffff
	entriesPerTable  = 512
)

type vmdkHeader struct {
	Magic, Version, Flags      uint32
	Capacity, GrainSize        uint64
	DescriptorOffset, DescSize uint64
	NumGTEsPerGT               uint32
	RGDOffset, GDOffset        uint64
	OverHead                   uint64
	UncleanShutdown            uint8
	Single, NonEnd, Double1    byte
	Double2                    byte
	CompressAlgorithm          uint16
	Pad                        [433]byte
}

type vmdkReader struct {
	in       *bufio.Reader
	at       uint64 // sectors read
	header   vmdkHeader
	grains   map[uint64]uint64 // number of the grain -> its sector in the file
	last     int64             // number of the grain that came last
	tables   map[uint64]uint64 // number of the table -> its sector
	pending  map[uint64]bool   // grains that no table has named yet
	gdSector uint64
	grain    func(offset int64, data []byte) error
	footer   bool
}

// readStreamVMDK calls `grain` for each grain of a disk that must have `size` bytes.
func readStreamVMDK(in io.Reader, size int64, grain func(offset int64, data []byte) error) error {
	r := &vmdkReader{
		in: bufio.NewReaderSize(in, 1<<20), grains: map[uint64]uint64{}, last: -1,
		tables: map[uint64]uint64{}, pending: map[uint64]bool{}, grain: grain,
	}
	if err := r.readHeader(size); err != nil {
		return err
	}
	for {
		done, err := r.readPart()
		if err != nil {
			return fmt.Errorf("sector %d: %w", r.at, err)
		}
		if done {
			break
		}
	}
	if n, _ := io.Copy(io.Discard, r.in); n != 0 {
		return fmt.Errorf("%d bytes behind the end of the stream", n)
	}
	return nil
}

func (r *vmdkReader) sectors(n uint64) ([]byte, error) {
	data := make([]byte, n*sectorSize)
	if _, err := io.ReadFull(r.in, data); err != nil {
		return nil, fmt.Errorf("the stream ends too early: %w", err)
	}
	r.at += n
	return data, nil
}

func parseHeader(data []byte) (h vmdkHeader, err error) {
	err = binary.Read(bytes.NewReader(data), binary.LittleEndian, &h)
	return
}

func (h *vmdkHeader) check(size int64) error {
	switch {
	case h.Magic != vmdkMagic:
		return fmt.Errorf("no VMDK: magic %08x", h.Magic)
	case h.Version != 3:
		return fmt.Errorf("version %d, not 3", h.Version)
	case h.Flags&0x30001 != 0x30001:
		return fmt.Errorf("flags %x: line ends, compression and markers must be told", h.Flags)
	case h.CompressAlgorithm != 1:
		return fmt.Errorf("compression %d, not deflate", h.CompressAlgorithm)
	case h.GrainSize != 128:
		return fmt.Errorf("grains of %d sectors, not 128", h.GrainSize)
	case h.NumGTEsPerGT != entriesPerTable:
		return fmt.Errorf("grain tables of %d entries, not 512", h.NumGTEsPerGT)
	case h.Capacity != uint64(size)/sectorSize:
		return fmt.Errorf("a disk of %d sectors, not %d", h.Capacity, size/sectorSize)
	case h.Single != '\n' || h.NonEnd != ' ' || h.Double1 != '\r' || h.Double2 != '\n':
		return fmt.Errorf("the characters that tell of line ends are wrong")
	}
	return nil
}

func (r *vmdkReader) readHeader(size int64) error {
	data, err := r.sectors(1)
	if err != nil {
		return err
	}
	if r.header, err = parseHeader(data); err != nil {
		return err
	}
	h := &r.header
	if err = h.check(size); err != nil {
		return err
	}
	if h.GDOffset != gdAtEnd {
		return fmt.Errorf("the directory is said to be at %d, not at the end", h.GDOffset)
	}
	if h.DescriptorOffset == 0 || h.DescSize == 0 || h.OverHead < h.DescriptorOffset+h.DescSize || h.OverHead > 1<<16 {
		return fmt.Errorf("the descriptor is not where it can be")
	}
	rest, err := r.sectors(h.OverHead - 1)
	if err != nil {
		return err
	}
	from := (h.DescriptorOffset - 1) * sectorSize
	return checkDescriptor(string(bytes.TrimRight(rest[from:from+h.DescSize*sectorSize], "\x00")), h.Capacity)
}

func checkDescriptor(text string, capacity uint64) error {
	if !strings.HasPrefix(text, "# Disk DescriptorFile") {
		return fmt.Errorf("no descriptor")
	}
	if !strings.Contains(text, "createType=\"streamOptimized\"") {
		return fmt.Errorf("the descriptor's createType is not streamOptimized")
	}
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) >= 3 && words[0] == "RW" {
			n, err := strconv.ParseUint(words[1], 10, 64)
			if err != nil || n != capacity || words[2] != "SPARSE" {
				return fmt.Errorf("the descriptor's extent %q is not the disk", line)
			}
			return nil
		}
	}
	return fmt.Errorf("the descriptor has no extent")
}

// readPart reads a grain, or a marker and what belongs to it.
func (r *vmdkReader) readPart() (done bool, err error) {
	at := r.at
	head, err := r.sectors(1)
	if err != nil {
		return false, err
	}
	value := binary.LittleEndian.Uint64(head)
	size := binary.LittleEndian.Uint32(head[8:])
	if size != 0 {
		return false, r.readGrain(at, value, uint64(size), head)
	}
	for _, b := range head[16:] {
		if b != 0 {
			return false, fmt.Errorf("a marker is not padded with zeros")
		}
	}
	switch kind := binary.LittleEndian.Uint32(head[12:]); kind {
	case markerEOS:
		if value != 0 {
			return false, fmt.Errorf("the end of the stream says that %d sectors follow", value)
		}
		return true, r.finish()
	case markerGrainTable:
		return false, r.readTable(value)
	case markerDirectory:
		return false, r.readDirectory(value)
	case markerFooter:
		return false, r.readFooter(value)
	default:
		return false, fmt.Errorf("marker of the kind %d", kind)
	}
}

func (r *vmdkReader) readGrain(at, lba, size uint64, head []byte) error {
	if lba%r.header.GrainSize != 0 || lba >= r.header.Capacity {
		return fmt.Errorf("a grain for sector %d, which none begins at", lba)
	}
	number := lba / r.header.GrainSize
	if int64(number) <= r.last {
		return fmt.Errorf("grain %d comes after grain %d", number, r.last)
	}
	if r.gdSector != 0 {
		return fmt.Errorf("a grain behind the directory")
	}
	more := (12 + size + sectorSize - 1) / sectorSize
	if more > 2*r.header.GrainSize {
		return fmt.Errorf("a grain of %d bytes", size)
	}
	rest, err := r.sectors(more - 1)
	if err != nil {
		return err
	}
	packed := append(head, rest...)[12:]
	for _, b := range packed[size:] {
		if b != 0 {
			return fmt.Errorf("grain %d is not padded with zeros", number)
		}
	}
	source := bytes.NewReader(packed[:size])
	inflate, err := zlib.NewReader(source)
	if err != nil {
		return fmt.Errorf("grain %d: %w", number, err)
	}
	data, err := io.ReadAll(io.LimitReader(inflate, int64(r.header.GrainSize*sectorSize)+1))
	if err != nil {
		return fmt.Errorf("grain %d: %w", number, err)
	}
	wanted := r.header.GrainSize * sectorSize
	if uint64(len(data)) != wanted {
		return fmt.Errorf("grain %d has %d bytes, not %d", number, len(data), wanted)
	}
	if source.Len() != 0 {
		return fmt.Errorf("grain %d: %d bytes behind its data", number, source.Len())
	}
	r.grains[number], r.last = at, int64(number)
	r.pending[number] = true
	if left := (r.header.Capacity - lba) * sectorSize; left < wanted {
		for _, b := range data[left:] {
			if b != 0 {
				return fmt.Errorf("grain %d has data behind the end of the disk", number)
			}
		}
		data = data[:left]
	}
	return r.grain(int64(lba*sectorSize), data)
}

// readTable checks that it names exactly the grains of its part of the disk.
func (r *vmdkReader) readTable(length uint64) error {
	if length != entriesPerTable*4/sectorSize {
		return fmt.Errorf("a grain table of %d sectors", length)
	}
	at := r.at
	data, err := r.sectors(length)
	if err != nil {
		return err
	}
	table, found := uint64(0), false
	for i := uint64(0); i < entriesPerTable; i++ {
		sector := uint64(binary.LittleEndian.Uint32(data[4*i:]))
		if sector == 0 {
			continue
		}
		number, ok := r.grainAt(sector)
		if !ok || number%entriesPerTable != i || found && number/entriesPerTable != table {
			return fmt.Errorf("entry %d of a grain table is %d, where no such grain is", i, sector)
		}
		table, found = number/entriesPerTable, true
		delete(r.pending, number)
	}
	if !found {
		return fmt.Errorf("a grain table without a grain")
	}
	if _, twice := r.tables[table]; twice {
		return fmt.Errorf("table %d comes twice", table)
	}
	r.tables[table] = at
	for number := range r.pending {
		if number/entriesPerTable == table {
			return fmt.Errorf("grain %d is in no table", number)
		}
	}
	return nil
}

func (r *vmdkReader) grainAt(sector uint64) (uint64, bool) {
	for number := range r.pending {
		if r.grains[number] == sector {
			return number, true
		}
	}
	return 0, false
}

func (r *vmdkReader) readDirectory(length uint64) error {
	perTable := r.header.GrainSize * entriesPerTable
	entries := (r.header.Capacity + perTable - 1) / perTable
	if length != (entries*4+sectorSize-1)/sectorSize {
		return fmt.Errorf("a directory of %d sectors for %d tables", length, entries)
	}
	r.gdSector = r.at
	data, err := r.sectors(length)
	if err != nil {
		return err
	}
	for i := uint64(0); i < length*sectorSize/4; i++ {
		sector := uint64(binary.LittleEndian.Uint32(data[4*i:]))
		if sector != r.tables[i] {
			return fmt.Errorf("entry %d of the directory is %d, the table is at %d", i, sector, r.tables[i])
		}
	}
	return nil
}

func (r *vmdkReader) readFooter(length uint64) error {
	if length != 1 {
		return fmt.Errorf("a footer of %d sectors", length)
	}
	data, err := r.sectors(1)
	if err != nil {
		return err
	}
	footer, err := parseHeader(data)
	if err != nil {
		return err
	}
	if r.gdSector == 0 || footer.GDOffset != r.gdSector {
		return fmt.Errorf("the footer says that the directory is at %d, it is at %d", footer.GDOffset, r.gdSector)
	}
	footer.GDOffset = r.header.GDOffset
	if footer.Magic != r.header.Magic || footer.Capacity != r.header.Capacity || footer.Flags != r.header.Flags ||
		footer.GrainSize != r.header.GrainSize || footer.Version != r.header.Version {
		return fmt.Errorf("the footer is not the header's twin")
	}
	r.footer = true
	return nil
}

func (r *vmdkReader) finish() error {
	if len(r.pending) != 0 {
		return fmt.Errorf("%d grains are in no table", len(r.pending))
	}
	if !r.footer {
		return fmt.Errorf("there is no footer")
	}
	return nil
}
