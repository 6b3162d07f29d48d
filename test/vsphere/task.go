// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	taskSteps = 5
	queueTime = 2 * time.Millisecond // until it begins
)

// task runs beside the calls, as those of servers do: queued, running with progress, ended.
type task struct {
	object    *simulator.Task
	method    string
	machine   *machine // nil: of something else
	cancelled bool
	ended     bool
	soft      bool // can be cancelled
	time      time.Duration
	hangs     bool // because of a rule
	fails     *rule
}

// work is what a task does at its end, with the lock held.
type work func(w *world, c *call) (interface{}, *failure)

// startTask answers a call of NAME_Task with a new task.
func (w *world) startTask(c *call) (interface{}, *failure) {
	object := simulator.Map.Get(c.this)
	if object == nil {
		return nil, notFound(c.this)
	}
	does := works[c.name]
	if does == nil {
		if _, failed := w.implements(c); failed != nil {
			return nil, failed
		}
		does = libraryTask
	}
	if failed := w.inProgress(c); failed != nil {
		return nil, failed
	}
	if check := checks[c.name]; check != nil {
		if failed := check(w, c); failed != nil {
			return nil, failed
		}
	}
	t := w.newTask(c, object)
	go w.runTask(t, c, does)
	return &taskResponse{Returnval: t.object.Self}, nil
}

// about is the machine that a call is about; nil when it is none.
func (w *world) about(ref types.ManagedObjectReference) *machine {
	if m := w.machines[ref]; m != nil {
		return m
	}
	m, _ := w.findSnapshot(ref)
	return m
}

// inProgress refuses a task on a machine that has one already.
func (w *world) inProgress(c *call) *failure {
	m := w.about(c.this)
	if m == nil || w.settings.Parallel {
		return nil
	}
	for ref, t := range w.tasks {
		if t.machine == m && !t.ended {
			return fail(&types.TaskInProgress{Task: ref}, "Another task is already in progress.")
		}
	}
	return nil
}

// taskResponse stands for all of *types.NAME_TaskResponse: they are alike.
type taskResponse struct {
	Returnval types.ManagedObjectReference `xml:"returnval"`
}

// uncancellable are the tasks that go on to their end: files are being merged.
var uncancellable = map[string]bool{
	"RemoveSnapshot_Task": true, "RemoveAllSnapshots_Task": true, "ConsolidateVMDisks_Task": true,
}

func (w *world) newTask(c *call, object mo.Reference) *task {
	base := strings.TrimSuffix(c.name, "_Task")
	t := &task{method: c.name, time: w.settings.TaskTime.duration(), machine: w.about(c.this)}
	t.object = simulator.CreateTask(object, strings.ToLower(base[:1])+base[1:], nil)
	info := &t.object.Info
	info.Name = c.name
	info.Entity, info.EntityName = nil, ""
	if t.machine != nil {
		object = t.machine.vm
	}
	if e, ok := object.(mo.Entity); ok {
		ref := e.Reference()
		info.Entity, info.EntityName = &ref, nameOf(e)
	}
	info.Reason = &types.TaskReasonUser{UserName: c.session.user}
	t.soft = !uncancellable[c.name]
	info.Cancelable = t.soft
	if specific, ok := w.settings.TaskTimes[c.name]; ok {
		t.time = specific.duration()
	}
	if r := w.match("task " + c.name); r != nil {
		t.fails = r
		t.hangs = t.hangs || r.Hang
		if r.Delay > 0 {
			t.time = r.Delay.duration()
		}
	}
	w.tasks[t.object.Self] = t
	return t
}

// runTask lets a task pass its time, step by step, and then does its work.
func (w *world) runTask(t *task, c *call, does work) {
	if !w.pause(queueTime) {
		return
	}
	w.Lock()
	now := time.Now()
	t.object.Info.State, t.object.Info.StartTime = types.TaskInfoStateRunning, &now
	w.Unlock()
	for step := 1; step <= taskSteps; {
		if !w.pause(t.time / taskSteps) {
			return
		}
		w.Lock()
		t.object.Info.Progress = int32(100 * step / (taskSteps + 1))
		cancelled, hangs := t.cancelled, t.hangs || contains(w.settings.TaskHang, t.method)
		w.Unlock()
		if cancelled {
			break
		}
		if hangs && step > taskSteps/2 {
			if !w.pause(pollTime) {
				return
			}
			continue
		}
		step++
	}
	w.Lock()
	defer w.Unlock()
	w.endTask(t, c, does)
}

// pause waits, and says whether the world is still there.
func (w *world) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-w.ended:
		return false
	}
}

func (w *world) endTask(t *task, c *call, does work) {
	var result interface{}
	var failed *failure
	switch {
	case t.cancelled:
		failed = fail(new(types.RequestCanceled), "The task was canceled by a user.")
	case t.fails != nil && t.fails.Fault != "":
		failed = t.fails.taskFailure(c.this)
	default:
		result, failed = w.guard(c.name, func() (interface{}, *failure) { return does(w, c) })
	}
	now := time.Now()
	t.ended = true
	info := &t.object.Info
	info.CompleteTime = &now
	info.Cancelable = false
	if failed != nil {
		info.State = types.TaskInfoStateError
		info.Error = &types.LocalizedMethodFault{Fault: failed.fault, LocalizedMessage: failed.message}
		return
	}
	info.Progress = 100
	info.Result = result
	info.State = types.TaskInfoStateSuccess
}

func (r *rule) taskFailure(this types.ManagedObjectReference) *failure {
	fault, err := r.makeFault(this)
	if err != nil {
		return fail(&types.SystemError{Reason: err.Error()}, "%s", err)
	}
	return fail(fault, "%s", r.Message)
}

// libraryTask runs a task of the library's, which is at its end at once.
func libraryTask(w *world, c *call) (interface{}, *failure) {
	answer, failed := w.library(c)
	if failed != nil {
		return nil, failed
	}
	inner, ok := simulator.Map.Get(returned(answer)).(*simulator.Task)
	if !ok {
		return nil, fail(&types.SystemError{Reason: "no task"}, "no task")
	}
	simulator.Map.Remove(inner.Self)
	w.forgetTask(inner.Self)
	if inner.Info.Error != nil {
		fault, _ := inner.Info.Error.Fault.(types.BaseMethodFault)
		return nil, fail(fault, "%s", inner.Info.Error.LocalizedMessage)
	}
	return inner.Info.Result, nil
}

// forgetTask takes it off the list of recent tasks.
func (w *world) forgetTask(ref types.ManagedObjectReference) {
	if at := w.content().TaskManager; at != nil {
		if m, ok := simulator.Map.Get(*at).(*simulator.TaskManager); ok {
			simulator.RemoveReference(&m.RecentTask, ref)
		}
	}
}

func cancelTask(w *world, c *call) (interface{}, *failure) {
	t := w.tasks[c.this]
	if t == nil {
		return nil, notFound(c.this)
	}
	switch {
	case t.object.Info.State == types.TaskInfoStateSuccess, t.object.Info.State == types.TaskInfoStateError:
		return nil, fail(new(types.InvalidState), "The task has ended.")
	case !t.soft:
		return nil, fail(new(types.NotSupported), "The task cannot be canceled.")
	}
	t.cancelled = true
	t.object.Info.Cancelled = true
	return new(types.CancelTaskResponse), nil
}
