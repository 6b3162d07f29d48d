// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// How often somebody who waits has a look.
const pollTime = 20 * time.Millisecond

// collector tells what has changed since it was asked last.
type collector struct {
	filters   map[types.ManagedObjectReference]*filter
	order     []types.ManagedObjectReference
	version   int
	cancelled bool
	destroyed bool
}

// filter remembers what it told, as text, by object and property.
type filter struct {
	spec types.PropertyFilterSpec
	told map[types.ManagedObjectReference]map[string]string
}

func (w *world) collectorName() string {
	return w.content().PropertyCollector.Value
}

// collectorOf finds one by its reference; the server's own is there without being made.
func (w *world) collectorOf(c *call) (*collector, *failure) {
	found := c.session.collectors[c.this]
	if found == nil && c.this == w.content().PropertyCollector {
		found = &collector{filters: map[types.ManagedObjectReference]*filter{}}
		c.session.collectors[c.this] = found
	}
	if found == nil {
		return nil, notFound(c.this)
	}
	return found, nil
}

// sessionRef is a reference that only this session knows.
func (w *world) sessionRef(c *call, kind string) types.ManagedObjectReference {
	return types.ManagedObjectReference{
		Type: kind, Value: fmt.Sprintf("session[%s]52%08x", c.session.library.Key, w.next()),
	}
}

func createCollector(w *world, c *call) (interface{}, *failure) {
	ref := w.sessionRef(c, "PropertyCollector")
	c.session.collectors[ref] = &collector{filters: map[types.ManagedObjectReference]*filter{}}
	return &types.CreatePropertyCollectorResponse{Returnval: ref}, nil
}

func destroyCollector(w *world, c *call) (interface{}, *failure) {
	found, failed := w.collectorOf(c)
	if failed != nil {
		return nil, failed
	}
	found.destroyed = true
	delete(c.session.collectors, c.this)
	return new(types.DestroyPropertyCollectorResponse), nil
}

func createFilter(w *world, c *call) (interface{}, *failure) {
	found, failed := w.collectorOf(c)
	if failed != nil {
		return nil, failed
	}
	request := c.body.(*types.CreateFilter)
	for _, set := range request.Spec.ObjectSet {
		if w.object(&call{this: set.Obj, session: c.session}) == nil {
			return nil, notFound(set.Obj)
		}
	}
	ref := w.sessionRef(c, "PropertyFilter")
	found.filters[ref] = &filter{
		spec: request.Spec, told: map[types.ManagedObjectReference]map[string]string{},
	}
	found.order = append(found.order, ref)
	return &types.CreateFilterResponse{Returnval: ref}, nil
}

func destroyFilter(_ *world, c *call) (interface{}, *failure) {
	for _, found := range c.session.collectors {
		if found.filters[c.this] != nil {
			delete(found.filters, c.this)
			simulator.RemoveReference(&found.order, c.this)
			return new(types.DestroyPropertyFilterResponse), nil
		}
	}
	return nil, notFound(c.this)
}

func cancelWait(w *world, c *call) (interface{}, *failure) {
	found, failed := w.collectorOf(c)
	if failed != nil {
		return nil, failed
	}
	found.cancelled = true
	return new(types.CancelWaitForUpdatesResponse), nil
}

func waitForUpdatesEx(w *world, c *call) (interface{}, *failure) {
	request := c.body.(*types.WaitForUpdatesEx)
	limit := time.Hour
	if request.Options != nil && request.Options.MaxWaitSeconds != nil {
		limit = time.Duration(*request.Options.MaxWaitSeconds) * time.Second
	}
	set, failed := w.wait(c, request.Version, limit)
	return &types.WaitForUpdatesExResponse{Returnval: set}, failed
}

func waitForUpdates(w *world, c *call) (interface{}, *failure) {
	set, failed := w.wait(c, c.body.(*types.WaitForUpdates).Version, time.Hour)
	if set == nil {
		return nil, failed
	}
	return &types.WaitForUpdatesResponse{Returnval: *set}, failed
}

func checkForUpdates(w *world, c *call) (interface{}, *failure) {
	set, failed := w.wait(c, c.body.(*types.CheckForUpdates).Version, 0)
	return &types.CheckForUpdatesResponse{Returnval: set}, failed
}

// wait returns what is new, or nothing when the time is over.
func (w *world) wait(c *call, version string, limit time.Duration) (*types.UpdateSet, *failure) {
	end := time.Now().Add(limit)
	for {
		w.Lock()
		set, failed := w.look(c, version)
		w.Unlock()
		if set != nil || failed != nil || !time.Now().Before(end) {
			return set, failed
		}
		select {
		case <-time.After(pollTime):
		case <-c.request.Context().Done():
			return nil, nil
		case <-w.ended:
			return nil, nil
		}
	}
}

func (w *world) look(c *call, version string) (set *types.UpdateSet, failed *failure) {
	if w.sessions[c.session.cookie] != c.session {
		return nil, fail(&types.NotAuthenticated{NoPermission: types.NoPermission{
			Object: c.this, PrivilegeId: "System.View"}}, "The session is not authenticated.")
	}
	found, failed := w.collectorOf(c)
	if failed != nil {
		return nil, failed
	}
	if found.cancelled {
		found.cancelled = false
		return nil, fail(new(types.RequestCanceled), "The task was canceled by a user.")
	}
	if version == "" {
		for _, f := range found.filters {
			f.told = map[types.ManagedObjectReference]map[string]string{}
		}
	} else if version != strconv.Itoa(found.version) {
		return nil, fail(new(types.InvalidCollectorVersion), "invalid version")
	}
	c.session.used = time.Now()
	_, failed = w.guard(c.name, func() (interface{}, *failure) {
		set, failed = w.changes(c, found)
		return nil, failed
	})
	return set, failed
}

// changes are what the collector has not told yet; nil for none.
func (w *world) changes(c *call, found *collector) (*types.UpdateSet, *failure) {
	set := new(types.UpdateSet)
	for _, ref := range found.order {
		f := found.filters[ref]
		objects, failed := w.collect(c, []types.PropertyFilterSpec{f.spec})
		if failed != nil {
			if _, gone := failed.fault.(*types.ManagedObjectNotFound); !gone {
				return nil, failed
			}
			objects = nil
		}
		if updates := f.compare(objects); len(updates) > 0 {
			set.FilterSet = append(set.FilterSet, types.PropertyFilterUpdate{Filter: ref, ObjectSet: updates})
		}
	}
	if len(set.FilterSet) == 0 {
		return nil, nil
	}
	found.version++
	set.Version = strconv.Itoa(found.version)
	return set, nil
}

func (f *filter) compare(objects []types.ObjectContent) []types.ObjectUpdate {
	var updates []types.ObjectUpdate
	seen := map[types.ManagedObjectReference]bool{}
	for _, o := range objects {
		seen[o.Obj] = true
		told, known := f.told[o.Obj]
		u := types.ObjectUpdate{Obj: o.Obj, Kind: types.ObjectUpdateKindModify}
		if !known {
			u.Kind, told = types.ObjectUpdateKindEnter, map[string]string{}
			f.told[o.Obj] = told
		}
		there := map[string]bool{}
		for _, p := range o.PropSet {
			there[p.Name] = true
			text := textOf(p)
			if before, ok := told[p.Name]; !ok || before != text {
				told[p.Name] = text
				u.ChangeSet = append(u.ChangeSet, types.PropertyChange{
					Name: p.Name, Op: types.PropertyChangeOpAssign, Val: p.Val})
			}
		}
		for name := range told {
			if !there[name] {
				delete(told, name)
				u.ChangeSet = append(u.ChangeSet, types.PropertyChange{
					Name: name, Op: types.PropertyChangeOpAssign})
			}
		}
		if !known || len(u.ChangeSet) > 0 {
			updates = append(updates, u)
		}
	}
	for ref := range f.told {
		if !seen[ref] {
			delete(f.told, ref)
			updates = append(updates, types.ObjectUpdate{Obj: ref, Kind: types.ObjectUpdateKindLeave})
		}
	}
	return updates
}

func textOf(p types.DynamicProperty) string {
	var out bytes.Buffer
	_ = xml.NewEncoder(&out).Encode(p)
	return out.String()
}
