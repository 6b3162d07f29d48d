// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// tracker is changed block tracking of one disk: what was written after each change id.
type tracker struct {
	uuid   string // as hosts write it: with blanks
	epochs []blocks
	whole  bool // began without any snapshot: "*" can be answered
}

func newTracker(whole bool) *tracker {
	return &tracker{uuid: "52" + uuidText(uuid.New().String())[2:], epochs: []blocks{{}}, whole: whole}
}

// wrote notes a write.
func (t *tracker) wrote(offset, length int64) {
	if t != nil {
		t.epochs[len(t.epochs)-1].add(offset, length)
	}
}

// next begins a new epoch and returns the number of the id that it begins at.
func (t *tracker) next() int {
	t.epochs = append(t.epochs, blocks{})
	return len(t.epochs) - 1
}

func (t *tracker) id(number int) string { return fmt.Sprintf("%s/%d", t.uuid, number) }

// since are the blocks written after id `text` and before id number `until`.
func (t *tracker) since(text string, until int) (blocks, error) {
	slash := strings.LastIndexByte(text, '/')
	if slash < 0 || text[:slash] != t.uuid {
		return nil, fmt.Errorf("of another run of the tracking")
	}
	number, err := strconv.Atoi(text[slash+1:])
	if err != nil || number < 1 || number > until {
		return nil, fmt.Errorf("not known")
	}
	all := blocks{}
	for _, epoch := range t.epochs[number:until] {
		for block := range epoch {
			all[block] = true
		}
	}
	return all, nil
}
