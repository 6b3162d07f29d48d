// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/binary"
	"os"
	"sort"
)

// sparse is the data of a delta disk as hosts write it (vmfsSparse, "COWD"; VMware Virtual Disk
// Format 5.0, "ESX Server Sparse Extents"): sectors in the order in which they were written first,
// found by a directory of tables.  Whoever takes such a file for a flat one reads nonsense.
type sparse struct {
	path    string
	sectors map[int64]int64 // of the disk -> in the file
	tables  map[int64]int64 // number of the table -> its first sector in the file
	free    int64           // the next sector of the file
}

const (
	sectorSize      = 512
	sparseHeader    = 4 // sectors
	sparseDirectory = 4 // its first sector
	sparseEntries   = 4096
	sparseTable     = sparseEntries * 4 / sectorSize // sectors
)

func newSparse(path string, size int64, generation uint32) (*sparse, error) {
	count := (size/sectorSize + sparseEntries - 1) / sparseEntries
	directory := (count*4 + sectorSize - 1) / sectorSize
	s := &sparse{
		path: path, sectors: map[int64]int64{}, tables: map[int64]int64{},
		free: sparseDirectory + directory,
	}
	header := make([]byte, sparseHeader*sectorSize)
	copy(header, "COWD")
	for i, value := range []uint32{1, 3, uint32(size / sectorSize), 1, sparseDirectory, uint32(count), uint32(s.free)} {
		binary.LittleEndian.PutUint32(header[4+4*i:], value)
	}
	binary.LittleEndian.PutUint32(header[32+1024:], generation)
	if err := os.WriteFile(path, header, 0600); err != nil {
		return nil, err
	}
	return s, os.Truncate(path, s.free*sectorSize)
}

// write puts whole sectors.
func (s *sparse) write(offset int64, data []byte) error {
	file, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	for ; len(data) > 0; data, offset = data[sectorSize:], offset+sectorSize {
		sector := offset / sectorSize
		at, ok := s.sectors[sector]
		if !ok {
			if at, err = s.grow(file, sector); err != nil {
				return err
			}
		}
		if _, err = file.WriteAt(data[:sectorSize], at*sectorSize); err != nil {
			return err
		}
	}
	return putNumber(file, 28, s.free)
}

// grow makes room for a sector that is not there yet.
func (s *sparse) grow(file *os.File, sector int64) (int64, error) {
	number := sector / sparseEntries
	table, ok := s.tables[number]
	if !ok {
		table = s.free
		s.tables[number] = table
		s.free += sparseTable
		if err := file.Truncate(s.free * sectorSize); err != nil {
			return 0, err
		}
		if err := putNumber(file, sparseDirectory*sectorSize+number*4, table); err != nil {
			return 0, err
		}
	}
	at := s.free
	s.free++
	s.sectors[sector] = at
	return at, putNumber(file, table*sectorSize+sector%sparseEntries*4, at)
}

func putNumber(file *os.File, offset, value int64) error {
	var bytes [4]byte
	binary.LittleEndian.PutUint32(bytes[:], uint32(value))
	_, err := file.WriteAt(bytes[:], offset)
	return err
}

// overlay puts what is here over `data`, which are whole sectors.
func (s *sparse) overlay(offset int64, data []byte) error {
	if len(s.sectors) == 0 {
		return nil
	}
	file, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	for done := int64(0); done < int64(len(data)); done += sectorSize {
		if at, ok := s.sectors[(offset+done)/sectorSize]; ok {
			if _, err := file.ReadAt(data[done:done+sectorSize], at*sectorSize); err != nil {
				return err
			}
		}
	}
	return nil
}

// list are the sectors that are here, in order.
func (s *sparse) list() []int64 {
	all := make([]int64, 0, len(s.sectors))
	for sector := range s.sectors {
		all = append(all, sector)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return all
}
