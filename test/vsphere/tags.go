// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Tags are the library's (vCenter only); what is ours is who may ask.

const (
	restHeader = "vmware-api-session-id"
	restLogin  = "/rest/com/vmware/cis/session"
)

func (w *world) serveTags(api string) error {
	if w.esx {
		return nil
	}
	u, err := url.Parse(api)
	if err != nil {
		return err
	}
	_, w.tagging = simulator.New(u, nil)
	return nil
}

func (w *world) serveREST(rw http.ResponseWriter, r *http.Request) {
	name := r.Method + " /rest"
	w.Lock()
	w.counts[name]++
	matched := w.matchREST(name, r)
	w.Unlock()
	if matched != nil && matched.before(rw, r) {
		return
	}
	w.Lock()
	defer w.Unlock()
	if w.tagging == nil {
		http.Error(rw, "Not Found", http.StatusNotFound)
		return
	}
	w.expire(time.Now())
	_, _ = w.guard(name, func() (interface{}, *failure) {
		w.rest1(rw, r)
		return nil, nil
	})
}

// matchREST finds a rule for an action ("POST /rest attach") before one for any such request.
func (w *world) matchREST(name string, r *http.Request) *rule {
	if action := r.URL.Query().Get("~action"); action != "" {
		if matched := w.match(name + " " + action); matched != nil {
			return matched
		}
	}
	return w.match(name)
}

// listForCategory says where /rest has what /api is asked for a category in the body.
func listForCategory(r *http.Request) string {
	var asked struct {
		Category string `json:"category_id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&asked)
	return "/rest/com/vmware/cis/tagging/tag/id:" + asked.Category
}

// serveAPI is the same as servers have it since 7.0: other paths, and values that are not wrapped.
func (w *world) serveAPI(rw http.ResponseWriter, r *http.Request) {
	if w.apiVersion() < "7" {
		http.NotFound(rw, r)
		return
	}
	old := r.Clone(r.Context())
	old.URL.Path = "/rest/com/vmware/cis" + strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/api"), "/cis")
	for _, kind := range []string{"category", "tag", "tag-association"} {
		prefix := "/rest/com/vmware/cis/tagging/" + kind + "/"
		if strings.HasPrefix(old.URL.Path, prefix) {
			old.URL.Path = prefix + "id:" + strings.TrimPrefix(old.URL.Path, prefix)
		}
	}
	if r.URL.Query().Get("action") == "list-tags-for-category" {
		old.URL.Path = listForCategory(r)
	}
	old.URL.RawQuery = strings.Replace(r.URL.RawQuery, "action=", "~action=", 1)
	answer := httptest.NewRecorder()
	w.serveREST(answer, old)
	var wrapped struct {
		Value json.RawMessage `json:"value"`
	}
	text := answer.Body.Bytes()
	if json.Unmarshal(text, &wrapped) == nil && wrapped.Value != nil {
		text = wrapped.Value
	}
	rw.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/api/session" && answer.Code == http.StatusOK {
		answer.Code = map[string]int{http.MethodPost: http.StatusCreated, http.MethodDelete: http.StatusNoContent}[r.Method]
	}
	rw.WriteHeader(answer.Code)
	if answer.Code != http.StatusNoContent {
		_, _ = rw.Write(text)
	}
}

func restID(r *http.Request) string {
	if id := r.Header.Get(restHeader); id != "" {
		return id
	}
	if cookie, err := r.Cookie(restHeader); err == nil {
		return cookie.Value
	}
	return ""
}

func (w *world) rest1(rw http.ResponseWriter, r *http.Request) {
	id := restID(r)
	_, known := w.rest[id]
	isLogin := r.URL.Path == restLogin && r.Method == http.MethodPost && r.URL.RawQuery == ""
	if isLogin {
		user, password, ok := r.BasicAuth()
		if !ok || user != w.options.user || password != w.options.password {
			http.Error(rw, "Unauthorized", http.StatusUnauthorized)
			return
		}
	} else if !known {
		http.Error(rw, "Unauthorized", http.StatusUnauthorized)
		return
	} else {
		w.rest[id] = time.Now()
	}
	answer := httptest.NewRecorder()
	w.tagging.ServeHTTP(answer, r)
	if isLogin && answer.Code == http.StatusOK {
		var made struct {
			Value string `json:"value"`
		}
		_ = json.Unmarshal(answer.Body.Bytes(), &made)
		w.rest[made.Value] = time.Now()
	}
	if r.URL.Path == restLogin && r.Method == http.MethodDelete {
		delete(w.rest, id)
	}
	for key, values := range answer.Header() {
		rw.Header()[key] = values
	}
	rw.WriteHeader(answer.Code)
	_, _ = rw.Write(answer.Body.Bytes())
}

// tagged is a session of our own with the library's tags.
func (w *world) askTags(method, path string, body interface{}, id string, answer interface{}) error {
	text, _ := json.Marshal(body)
	r := httptest.NewRequest(method, path, bytes.NewReader(text))
	r.Header.Set(restHeader, id)
	r.SetBasicAuth(w.options.user, w.options.password)
	out := httptest.NewRecorder()
	w.tagging.ServeHTTP(out, r)
	if out.Code != http.StatusOK {
		return fmt.Errorf("%s %s: %d %s", method, path, out.Code, out.Body)
	}
	if answer != nil {
		wrapped := struct {
			Value interface{} `json:"value"`
		}{answer}
		return json.Unmarshal(out.Body.Bytes(), &wrapped)
	}
	return nil
}

type libraryTags interface {
	AttachTag(types.ManagedObjectReference, types.VslmTagEntry) types.BaseMethodFault
	DetachTag(types.ManagedObjectReference, types.VslmTagEntry) types.BaseMethodFault
}

// tag attaches a tag, which is made with its category when it is not there.
func (w *world) tag(m *machine, category, name string, detach bool) error {
	if w.tagging == nil {
		return fmt.Errorf("a single host has no tags")
	}
	library := w.tagging.(libraryTags)
	entry := types.VslmTagEntry{ParentCategoryName: category, TagName: name}
	if detach {
		library.DetachTag(m.vm.Self, entry)
		return nil
	}
	if library.AttachTag(m.vm.Self, entry) == nil {
		return nil
	}
	if err := w.makeTag(category, name); err != nil {
		return err
	}
	if fault := library.AttachTag(m.vm.Self, entry); fault != nil {
		return fmt.Errorf("%T", fault)
	}
	return nil
}

// deleteTag takes it away from everything that it is attached to.
func (w *world) deleteTag(category, name string) error {
	const base = "/rest/com/vmware/cis/tagging/"
	var id string
	if err := w.askTags("POST", restLogin, nil, "", &id); err != nil {
		return err
	}
	defer func() { _ = w.askTags("DELETE", restLogin, nil, id, nil) }()
	group, err := w.categoryID(base, category, id)
	if err != nil {
		return err
	}
	var all []string
	if err := w.askTags("GET", base+"tag", nil, id, &all); err != nil {
		return err
	}
	for _, one := range all {
		var found struct {
			Name     string `json:"name"`
			Category string `json:"category_id"`
		}
		err := w.askTags("GET", base+"tag/id:"+one, nil, id, &found)
		if err == nil && found.Name == name && found.Category == group {
			return w.askTags("DELETE", base+"tag/id:"+one, nil, id, nil)
		}
	}
	return fmt.Errorf("no tag %s of category %s", name, category)
}

func (w *world) makeTag(category, name string) error {
	var id, group string
	if err := w.askTags("POST", restLogin, nil, "", &id); err != nil {
		return err
	}
	defer func() { _ = w.askTags("DELETE", restLogin, nil, id, nil) }()
	const base = "/rest/com/vmware/cis/tagging/"
	err := w.askTags("POST", base+"category", map[string]interface{}{"create_spec": map[string]interface{}{
		"name": category, "cardinality": "MULTIPLE", "associable_types": []string{},
	}}, id, &group)
	if err != nil && strings.Contains(err.Error(), "already_exists") {
		group, err = w.categoryID(base, category, id)
	}
	if err != nil {
		return err
	}
	return w.askTags("POST", base+"tag", map[string]interface{}{"create_spec": map[string]interface{}{
		"name": name, "category_id": group,
	}}, id, nil)
}

func (w *world) categoryID(base, category, id string) (string, error) {
	var all []string
	if err := w.askTags("GET", base+"category", nil, id, &all); err != nil {
		return "", err
	}
	for _, one := range all {
		var found struct {
			Name string `json:"name"`
		}
		if err := w.askTags("GET", base+"category/id:"+one, nil, id, &found); err == nil && found.Name == category {
			return one, nil
		}
	}
	return "", fmt.Errorf("no category %s", category)
}
