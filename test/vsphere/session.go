// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const cookieName = "vmware_soap_session"

var background = context.Background()

// session is one that somebody logged in to, with the objects that live as long as it does.
type session struct {
	cookie     string // its value, quotes and all
	user       string
	agent      string
	login      time.Time
	used       time.Time
	library    *simulator.Session
	collectors map[types.ManagedObjectReference]*collector
	pages      map[string]*page
	views      map[types.ManagedObjectReference]bool
	tokens     int
}

// cookieOf is what the client sent for it, verbatim: servers quote it, and want it back so.
func cookieOf(r *http.Request) string {
	for _, line := range r.Header["Cookie"] {
		for _, part := range strings.Split(line, ";") {
			part = strings.TrimSpace(part)
			if strings.HasPrefix(part, cookieName+"=") {
				return part[len(cookieName)+1:]
			}
		}
	}
	return ""
}

// sessionOf finds the session of a request and notes that it is used; nil when there is none.
func (w *world) sessionOf(r *http.Request) *session {
	now := time.Now()
	w.expire(now)
	s := w.sessions[cookieOf(r)]
	if s != nil {
		s.used = now
	}
	return s
}

// expire forgets the sessions that have been idle for too long.
func (w *world) expire(now time.Time) {
	idle := w.settings.SessionIdle.duration()
	if idle <= 0 {
		return
	}
	for _, s := range w.sessions {
		if now.Sub(s.used) > idle {
			w.endSession(s)
		}
	}
	for id, used := range w.rest {
		if now.Sub(used) > idle {
			delete(w.rest, id)
		}
	}
}

func (w *world) endSession(s *session) {
	delete(w.sessions, s.cookie)
	for view := range s.views {
		if o, ok := s.library.Registry.Get(view).(simulator.RegisterObject); ok {
			simulator.Map.RemoveHandler(o)
		}
	}
}

// createView has the library make one, and remembers it until it is destroyed.
func createView(w *world, c *call) (interface{}, *failure) {
	result, failed := w.library(c)
	switch made := result.(type) {
	case *types.CreateContainerViewResponse:
		c.session.views[made.Returnval] = true
	case *types.CreateListViewResponse:
		c.session.views[made.Returnval] = true
	}
	return result, failed
}

func destroyView(w *world, c *call) (interface{}, *failure) {
	result, failed := w.library(c)
	if failed == nil {
		delete(c.session.views, c.this)
	}
	return result, failed
}

func (w *world) login(c *call, user string) (*session, *failure) {
	if limit := w.settings.SessionLimit; limit > 0 && len(w.sessions) >= limit {
		c.status = http.StatusServiceUnavailable
		return nil, nil
	}
	now := time.Now()
	key := "52" + strings.ReplaceAll(uuid.New().String(), "-", "")
	s := &session{
		cookie:     fmt.Sprintf("%q", key),
		user:       user,
		agent:      c.request.UserAgent(),
		login:      now,
		used:       now,
		collectors: map[types.ManagedObjectReference]*collector{},
		pages:      map[string]*page{},
		views:      map[types.ManagedObjectReference]bool{},
	}
	s.library = &simulator.Session{
		UserSession: types.UserSession{
			Key: key, UserName: user, FullName: user, LoginTime: now, LastActiveTime: now,
			Locale: "en", MessageLocale: "en", UserAgent: s.agent,
		},
		Registry: simulator.NewRegistry(),
	}
	w.sessions[s.cookie] = s
	w.logins++
	c.cookie = cookieName + "=" + s.cookie + "; Path=/; HttpOnly"
	if w.options.cert != "" {
		c.cookie += "; Secure"
	}
	return s, nil
}

func login(w *world, c *call) (interface{}, *failure) {
	request := c.body.(*types.Login)
	if c.session != nil || request.UserName != w.options.user || request.Password != w.options.password {
		return nil, fail(new(types.InvalidLogin),
			"Cannot complete login due to an incorrect user name or password.")
	}
	s, failed := w.login(c, request.UserName)
	if s == nil {
		return nil, failed
	}
	return &types.LoginResponse{Returnval: s.library.UserSession}, nil
}

func logout(w *world, c *call) (interface{}, *failure) {
	w.endSession(c.session)
	return new(types.LogoutResponse), nil
}

func terminate(w *world, c *call) (interface{}, *failure) {
	for _, id := range c.body.(*types.TerminateSession).SessionId {
		s := w.sessions[fmt.Sprintf("%q", id)]
		if s == nil {
			return nil, fail(new(types.NotFound), "The object or item referred to could not be found.")
		}
		if s == c.session {
			return nil, fail(&types.InvalidArgument{InvalidProperty: "sessionId"}, "own session")
		}
		w.endSession(s)
	}
	return new(types.TerminateSessionResponse), nil
}

func sessionIsActive(w *world, c *call) (interface{}, *failure) {
	if w.esx {
		return nil, fail(new(types.NotImplemented), "not implemented on a single host")
	}
	request := c.body.(*types.SessionIsActive)
	s := w.sessions[fmt.Sprintf("%q", request.SessionID)]
	return &types.SessionIsActiveResponse{Returnval: s != nil && s.user == request.UserName}, nil
}
