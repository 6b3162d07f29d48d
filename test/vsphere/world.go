// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// world is all that there is.  Everything in it, and everything of the library, is touched with
// the lock held: calls are short, and what takes long (tasks, transfers, waiting) lets go of it.
type world struct {
	sync.Mutex
	options   *options
	directory string
	model     *simulator.Model
	esx       bool

	settings settings
	sessions map[string]*session
	rest     map[string]time.Time // sessions of the REST interface
	machines map[types.ManagedObjectReference]*machine
	files    map[string]*layer // of every disk, by the path of its data
	tasks    map[types.ManagedObjectReference]*task
	leases   map[types.ManagedObjectReference]*lease
	rules    []*rule
	counts   map[string]int
	calls    int   // of the API, that are being answered
	served   int64 // bytes out of /folder
	received int64 // bytes into /folder and leases
	panics   []string
	logins   int // ever
	number   int // for names that must be new
	tagging  http.Handler
	ended    chan struct{}
}

func newWorld(o *options) (*world, error) {
	w := &world{
		options:  o,
		esx:      o.model == "esx",
		settings: defaultSettings(),
		sessions: map[string]*session{},
		rest:     map[string]time.Time{},
		machines: map[types.ManagedObjectReference]*machine{},
		files:    map[string]*layer{},
		tasks:    map[types.ManagedObjectReference]*task{},
		leases:   map[types.ManagedObjectReference]*lease{},
		counts:   map[string]int{},
		number:   10,
		ended:    make(chan struct{}),
	}
	var err error
	if o.directory != "" {
		w.directory = o.directory
		err = os.Mkdir(o.directory, 0700)
	} else {
		w.directory, err = os.MkdirTemp("", "vsphere-simulator-")
	}
	if err != nil {
		return nil, err
	}
	if err = w.populate(); err != nil {
		w.remove()
		return nil, err
	}
	return w, nil
}

// with runs `f` with the lock held; a panic is noted, and ends the request.
func (w *world) with(f func()) {
	w.Lock()
	defer w.Unlock()
	defer func() {
		if p := recover(); p != nil {
			w.note("request", p)
			panic(http.ErrAbortHandler)
		}
	}()
	f()
}

// note keeps a panic for tests to see.
func (w *world) note(name string, p interface{}) {
	w.panics = append(w.panics, fmt.Sprintf("%s: %v\n%s", name, p, debug.Stack()))
}

// remove is the end: nobody gets the lock any more, so that nobody makes files meanwhile.
func (w *world) remove() {
	close(w.ended)
	w.Lock()
	for try := 0; try < 10 && os.RemoveAll(w.directory) != nil; try++ {
		time.Sleep(10 * time.Millisecond) // an upload that goes on
	}
}

// next is a number that no object has.
func (w *world) next() int {
	w.number++
	return w.number
}

func (w *world) serve() (api string, control string, err error) {
	server := &http.Server{Handler: w.handler()}
	listener, err := net.Listen("tcp", w.options.listen)
	if err != nil {
		return
	}
	api = "http://" + listener.Addr().String()
	if w.options.cert != "" {
		pair, failed := tls.LoadX509KeyPair(w.options.cert, w.options.key)
		if failed != nil {
			return "", "", failed
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
		api = "https" + api[len("http"):]
	}
	if err = w.serveTags(api); err != nil {
		return
	}
	second, err := net.Listen("tcp", w.options.control)
	if err != nil {
		return
	}
	control = "http://" + second.Addr().String()
	go func() { _ = server.Serve(listener) }()
	go func() { _ = http.Serve(second, w.controlHandler()) }()
	go w.watchLeases()
	return
}

// handler is what answers on the port of the API.
func (w *world) handler() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case path == "/sdk/vimServiceVersions.xml":
			w.serveVersions(rw, r)
		case path == "/sdk" || strings.HasPrefix(path, "/sdk/"):
			w.serveSDK(rw, r)
		case path == "/folder" || strings.HasPrefix(path, "/folder/"):
			w.serveFolder(rw, r)
		case strings.HasPrefix(path, "/nfc/"):
			w.serveLease(rw, r)
		case strings.HasPrefix(path, "/rest/"):
			w.serveREST(rw, r)
		case strings.HasPrefix(path, "/api/"):
			w.serveAPI(rw, r)
		default:
			http.NotFound(rw, r)
		}
	})
}
