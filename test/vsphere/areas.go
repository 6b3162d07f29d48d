// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"sort"

	"github.com/vmware/govmomi/vim25/types"
)

func invalidArgument(name string) *failure {
	return fail(&types.InvalidArgument{InvalidProperty: name}, "A specified parameter was not correct: %s", name)
}

func untracked(l *layer) *failure {
	return fail(&types.FileFault{File: l.name()}, "Error caused by file %s", l.name())
}

// queryChangedAreas tells what a disk has that it had not at a change id, a part at a time.
func queryChangedAreas(w *world, c *call) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	r := c.body.(*types.QueryChangedDiskAreas)
	l, t, until, failed := w.frozenState(m, r)
	if failed != nil {
		return nil, failed
	}
	if r.StartOffset < 0 || r.StartOffset >= l.size {
		return nil, invalidArgument("startOffset")
	}
	if t == nil {
		return nil, untracked(l)
	}
	var changed blocks
	var err error
	if r.ChangeId == "*" {
		if !t.whole {
			return nil, untracked(l)
		}
		changed, err = l.allocated()
	} else {
		changed, err = t.since(r.ChangeId, until)
	}
	if err != nil {
		return nil, invalidArgument("changeId")
	}
	info := types.DiskChangeInfo{StartOffset: r.StartOffset}
	w.fill(&info, changed, l.size)
	w.spoil(&info, l.size)
	return &types.QueryChangedDiskAreasResponse{Returnval: info}, nil
}

// frozenState is the disk at a snapshot, or now when the machine is off.
func (w *world) frozenState(m *machine, r *types.QueryChangedDiskAreas) (*layer, *tracker, int, *failure) {
	if r.Snapshot == nil {
		d := m.diskOf(r.DeviceKey)
		if d == nil {
			return nil, nil, 0, invalidArgument("deviceKey")
		}
		if m.running() {
			return nil, nil, 0, untracked(d.top)
		}
		if d.tracker == nil {
			return d.top, nil, 0, nil
		}
		return d.top, d.tracker, len(d.tracker.epochs), nil
	}
	owner, s := w.findSnapshot(*r.Snapshot)
	if owner == nil {
		return nil, nil, 0, notFound(*r.Snapshot)
	}
	if owner != m {
		return nil, nil, 0, invalidArgument("snapshot")
	}
	f := s.frozen[r.DeviceKey]
	if f == nil {
		return nil, nil, 0, invalidArgument("deviceKey")
	}
	if f.number == 0 {
		return f.layer, nil, 0, nil
	}
	return f.layer, f.tracker, f.number, nil
}

// fill puts as many areas from the start on as one answer may have.
func (w *world) fill(info *types.DiskChangeInfo, changed blocks, size int64) {
	end := size
	if limit := w.settings.RangePerReply; limit > 0 && info.StartOffset+limit < end {
		end = info.StartOffset + limit
	}
	var list []int64
	for block := range changed {
		list = append(list, block)
	}
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	for _, block := range list {
		from, to := block*blockSize, (block+1)*blockSize
		if from < info.StartOffset {
			from = info.StartOffset
		}
		if to > end {
			to = end
		}
		if to <= from {
			continue
		}
		if n := len(info.ChangedArea); n > 0 && info.ChangedArea[n-1].Start+info.ChangedArea[n-1].Length == from {
			info.ChangedArea[n-1].Length += to - from
			continue
		}
		if limit := w.settings.AreasPerReply; limit > 0 && len(info.ChangedArea) == limit {
			last := info.ChangedArea[limit-1]
			end = last.Start + last.Length
			break
		}
		info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: from, Length: to - from})
	}
	info.Length = end - info.StartOffset
}

// spoil makes an answer absurd, when that is wanted.
func (w *world) spoil(info *types.DiskChangeInfo, size int64) {
	switch w.settings.AbsurdAreas {
	case "beyond":
		info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: size, Length: blockSize})
	case "empty":
		info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: 0, Length: 0})
	case "negative":
		info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: -blockSize, Length: blockSize})
	case "standstill":
		info.Length = 0
	case "elsewhere":
		info.StartOffset += blockSize
	case "whole":
		info.StartOffset, info.Length = 0, size
		info.ChangedArea = []types.DiskChangeExtent{{Start: 0, Length: size}}
	}
}
