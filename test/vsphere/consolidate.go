// SPDX-License-Identifier: GPL-3.0-or-later

package main

import "github.com/vmware/govmomi/vim25/types"

// needs says whether a layer is frozen by a snapshot or below one that is used.
func (m *machine) needs(l *layer) bool {
	for _, used := range m.used() {
		if used == l {
			return true
		}
	}
	return false
}

// used are all layers that disks and snapshots consist of.
func (m *machine) used() []*layer {
	var all []*layer
	for _, d := range m.disks {
		if !d.foreign {
			all = append(all, d.top.chain()...)
		}
	}
	for _, s := range m.snapshots {
		for _, f := range s.frozen {
			all = append(all, f.layer.chain()...)
		}
	}
	return all
}

// freezing says whether a snapshot has exactly this layer as its frozen one.
func (m *machine) freezing(l *layer) bool {
	for _, s := range m.snapshots {
		for _, f := range s.frozen {
			if f.layer == l {
				return true
			}
		}
	}
	return false
}

// children are the layers right above one.
func (m *machine) children(l *layer) []*layer {
	var all []*layer
	seen := map[*layer]bool{}
	for _, used := range m.used() {
		if used.parent == l && !seen[used] {
			seen[used] = true
			all = append(all, used)
		}
	}
	return all
}

// pair is a delta that can go into its parent, because no snapshot freezes that; with `only`, a
// parent out of these.
func (m *machine) pair(only map[*layer]bool) *layer {
	for _, d := range m.disks {
		if d.foreign {
			continue
		}
		for _, l := range d.top.chain() {
			if l.delta == nil || only != nil && !only[l.parent] {
				continue
			}
			if !m.freezing(l.parent) && len(m.children(l.parent)) == 1 {
				return l
			}
		}
	}
	return nil
}

// merge puts deltas that no snapshot needs into their parents, and stops at one that is locked:
// somebody else, a machine with a hot-added disk, has it open.
func (w *world) merge(m *machine, only map[*layer]bool) *failure {
	for {
		l := m.pair(only)
		if l == nil {
			return nil
		}
		for _, below := range l.chain() {
			if w.busy(below, m) {
				return fail(&types.FileLocked{FileFault: types.FileFault{File: below.name()}},
					"Unable to access file %s since it is locked. An error occurred while "+
						"consolidating disks: msg.fileio.lock.", below.name())
			}
		}
		if err := l.mergeDown(); err != nil {
			return fail(&types.FileFault{File: l.name()}, "%s", err)
		}
		m.replace(l, l.parent)
		w.removeFiles(l)
	}
}

// replace puts `by` wherever `l` was.
func (m *machine) replace(l, by *layer) {
	for _, used := range m.used() {
		if used.parent == l {
			used.parent = by
			_ = used.writeDescriptor()
		}
	}
	for _, d := range m.disks {
		if d.top == l {
			d.top = by
		}
	}
	for _, s := range m.snapshots {
		for _, f := range s.frozen {
			if f.layer == l {
				f.layer = by
			}
		}
	}
}

func consolidate(w *world, c *call) (interface{}, *failure) {
	m, failed := w.machineOf(c)
	if failed != nil {
		return nil, failed
	}
	failed = w.merge(m, nil)
	m.orphans = failed != nil
	m.stun()
	w.writeConfig(m)
	return nil, failed
}
