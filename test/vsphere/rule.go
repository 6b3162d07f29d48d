// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// rule makes calls of a method, its tasks ("task CreateSnapshot_Task"), or requests of /folder, /nfc
// and /rest ("GET /folder") go wrong.
type rule struct {
	ID     int     `json:"id"`
	Method string  `json:"method"` // "*": any call of the API
	Skip   int     `json:"skip"`   // this many go well first
	Count  int     `json:"count"`  // then this many go wrong; 0: one; -1: for ever
	Delay  seconds `json:"delay"`  // waits before anything

	Fault   string          `json:"fault"`   // its type
	Members json.RawMessage `json:"members"` // of the fault, as the API names them
	Message string          `json:"message"`
	Status  int             `json:"status"`
	Drop    string          `json:"drop"`   // the connection: "before" it is done, or "after"
	Short   int64           `json:"short"`  // bytes of the body, then the connection is dropped
	Stall   bool            `json:"stall"`  // with Short: there it stands still
	Cut     bool            `json:"cut"`    // with Short: a body that ends there as if all were well
	Hang    bool            `json:"hang"`   // of a task: it never ends
	Expire  bool            `json:"expire"` // all sessions are forgotten before

	Used int `json:"used"`
}

// match finds the rule for what is about to happen, and uses it up.
func (w *world) match(name string) *rule {
	for _, r := range w.rules {
		if r.Method != name && !(r.Method == "*" && !strings.Contains(name, "/")) {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		if r.Count == 0 {
			continue
		}
		if r.Count > 0 {
			r.Count--
		}
		r.Used++
		used := *r
		if used.Expire {
			_, _ = expireAll(w, nil)
		}
		return &used
	}
	return nil
}

func (w *world) addRule(r *rule) (int, error) {
	if r.Fault != "" {
		if _, err := r.makeFault(types.ManagedObjectReference{}); err != nil {
			return 0, err
		}
	}
	if r.Count == 0 {
		r.Count = 1
	}
	r.ID = w.next()
	w.rules = append(w.rules, r)
	return r.ID, nil
}

func drop(rw http.ResponseWriter) {
	if hijacker, ok := rw.(http.Hijacker); ok {
		if connection, _, err := hijacker.Hijack(); err == nil {
			_ = connection.Close()
		}
	}
}

// before says whether the request ends here.
func (r *rule) before(rw http.ResponseWriter, request *http.Request) bool {
	if r.Delay > 0 {
		select {
		case <-time.After(r.Delay.duration()):
		case <-request.Context().Done():
		}
	}
	if r.Drop == "before" {
		drop(rw)
		return true
	}
	if r.Status != 0 {
		http.Error(rw, http.StatusText(r.Status), r.Status)
		return true
	}
	return false
}

func (r *rule) after(rw http.ResponseWriter, _ *http.Request) bool {
	if r.Drop == "after" {
		drop(rw)
		return true
	}
	return false
}

func (r *rule) failure(this types.ManagedObjectReference) *failure {
	if r.Fault == "" {
		return nil
	}
	fault, err := r.makeFault(this)
	if err != nil {
		return fail(&types.SystemError{Reason: err.Error()}, "%s", err)
	}
	return fail(fault, "%s", r.Message)
}

// makeFault builds the fault by its name and members.
func (r *rule) makeFault(this types.ManagedObjectReference) (types.BaseMethodFault, error) {
	kind, ok := typeOf(r.Fault)
	if !ok {
		return nil, fmt.Errorf("no such type: %s", r.Fault)
	}
	value := reflect.New(kind)
	if len(r.Members) > 0 {
		// encoding/json takes names without regard to case.
		if err := json.Unmarshal(r.Members, value.Interface()); err != nil {
			return nil, fmt.Errorf("members of %s: %w", r.Fault, err)
		}
	}
	switch f := value.Interface().(type) {
	case *types.ManagedObjectNotFound:
		if f.Obj.Type == "" {
			f.Obj = this
		}
	case *types.NotAuthenticated:
		f.Object, f.PrivilegeId = this, "System.View"
	case *types.NoPermission:
		if f.Object.Type == "" {
			f.Object = this
		}
	}
	fault, ok := value.Interface().(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%s is no fault", r.Fault)
	}
	return fault, nil
}
