// SPDX-License-Identifier: GPL-3.0-or-later

package main

import "time"

type seconds float64

func (s seconds) duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// settings are how the server behaves now; the controls change them at any time.
type settings struct {
	SessionIdle  seconds `json:"session_idle"`  // a session unused for longer is forgotten; 0: never
	SessionLimit int     `json:"session_limit"` // no more at once (503); 0: no limit

	TaskTime  seconds            `json:"task_time"`  // each task runs as long
	TaskTimes map[string]seconds `json:"task_times"` // by the method's name
	TaskHang  []string           `json:"task_hang"`  // tasks of these methods do not end while this is so

	Parallel bool `json:"parallel"` // several tasks on one machine, instead of TaskInProgress

	AreasPerReply int     `json:"areas_per_reply"` // of QueryChangedDiskAreas
	RangePerReply int64   `json:"range_per_reply"` // bytes; 0: to the end of the disk
	AbsurdAreas   string  `json:"absurd_areas"`    // see spoil() in areas.go
	PageSize      int     `json:"page_size"`       // objects in an answer; 0: as asked for
	QuiesceFails  bool    `json:"quiesce_fails"`
	LateChangeID  bool    `json:"late_change_id"` // none at the snapshot that starts the tracking
	LeaseDelay    seconds `json:"lease_delay"`    // until a lease is ready
	LeaseTimeout  seconds `json:"lease_timeout"`  // without a sign of progress
	LeaseFails    bool    `json:"lease_fails"`    // a new lease goes to the state "error"
	RangedPut     bool    `json:"ranged_put"`     // PUT with Content-Range writes a part
	Restricted    bool    `json:"restricted"`     // a free licence: whatever writes is refused
	AttachCommand string  `json:"attach_command"` // run for each disk that is attached or detached
	AttachLinks   string  `json:"attach_links"`   // a directory for links to attached disks
	Strict        bool    `json:"strict"`         // requests must be as the WSDL says
	BasicAccess   bool    `json:"basic_access"`   // /folder takes user and password too
	FolderDelay   seconds `json:"folder_delay"`   // before each answer of /folder
}

func defaultSettings() settings {
	return settings{
		TaskTime: 0.05, AreasPerReply: 10, LeaseDelay: 0.1, LeaseTimeout: 300,
		Strict: true, BasicAccess: true,
	}
}
