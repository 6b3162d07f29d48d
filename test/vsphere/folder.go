// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
)

// serveFolder gives access to the files of datastores.
func (w *world) serveFolder(rw http.ResponseWriter, r *http.Request) {
	name := r.Method + " /folder"
	w.Lock()
	w.counts[name]++
	allowed := w.mayUse(r)
	matched := w.match(name)
	if matched == nil {
		matched = w.match("* /folder")
	}
	allowed = allowed && (matched == nil || !matched.Expire)
	delay := w.settings.FolderDelay
	w.Unlock()
	if matched != nil && matched.before(rw, r) {
		return
	}
	if delay > 0 {
		time.Sleep(delay.duration())
	}
	if !allowed {
		rw.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(rw, "Unauthorized", http.StatusUnauthorized)
		return
	}
	out := &limited{ResponseWriter: rw, left: -1, drops: true}
	if matched != nil && matched.Short > 0 {
		out.left, out.drops = matched.Short, !matched.Cut
		if matched.Stall {
			out.stall = r.Context().Done()
		}
	}
	defer func() {
		w.Lock()
		w.served += out.sent
		w.Unlock()
	}()
	w.folder(out, r)
	if matched != nil {
		matched.after(rw, r)
	}
}

// mayUse wants the cookie of a session that lives, or the user's password.
func (w *world) mayUse(r *http.Request) bool {
	if w.sessionOf(r) != nil {
		return true
	}
	user, password, ok := r.BasicAuth()
	return ok && w.settings.BasicAccess && user == w.options.user && password == w.options.password
}

func (w *world) folder(rw http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	w.Lock()
	ds := w.datastoreOf(query)
	w.Unlock()
	rest := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/folder"), "/")
	if ds == nil {
		if query.Get("dsName") == "" && rest == "" {
			w.listDatastores(rw)
			return
		}
		http.Error(rw, "Not Found", http.StatusNotFound)
		return
	}
	name := filepath.Join(directoryOf(ds), path.Clean("/"+rest))
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		w.getFile(rw, r, name)
	case http.MethodPut:
		w.putFile(rw, r, name)
	case http.MethodDelete:
		w.deleteFile(rw, name)
	default:
		rw.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// datastoreOf finds what dcPath and dsName tell; only a single host knows which without dcPath.
func (w *world) datastoreOf(query url.Values) *simulator.Datastore {
	where := strings.Trim(query.Get("dcPath"), "/")
	for _, dc := range w.datacenters() {
		if pathOf(dc) == where || w.esx && (where == "" || where == "ha-datacenter") {
			return findDatastore(dc, query.Get("dsName"))
		}
	}
	return nil
}

func (w *world) listDatastores(rw http.ResponseWriter) {
	w.Lock()
	defer w.Unlock()
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(rw, "<html><body><table>\n")
	for _, dc := range w.datacenters() {
		for _, ref := range dc.Datastore {
			fmt.Fprintf(rw, "<tr><td><a href=\"/folder?dcPath=%s&amp;dsName=%s\">%s</a></td></tr>\n",
				url.QueryEscape(pathOf(dc)), url.QueryEscape(nameOf(entityAt(ref))), nameOf(entityAt(ref)))
		}
	}
	fmt.Fprint(rw, "</table></body></html>\n")
}

// writable says whether nobody has the file open; readable, whether nobody writes it.
func (w *world) access(name string) (readable, writable bool) {
	w.Lock()
	defer w.Unlock()
	l := w.layerAt(name)
	if l == nil {
		return true, true
	}
	writers, readers := w.open(l)
	if l.descriptor() == name {
		return true, len(writers)+len(readers) == 0
	}
	return len(writers) == 0, len(writers)+len(readers) == 0
}

func (w *world) getFile(rw http.ResponseWriter, r *http.Request, name string) {
	info, err := os.Stat(name)
	if err != nil {
		http.Error(rw, "Not Found", http.StatusNotFound)
		return
	}
	if info.IsDir() {
		listDirectory(rw, r, name)
		return
	}
	if readable, _ := w.access(name); !readable && r.Method == http.MethodGet {
		http.Error(rw, "Failed to open file: locked", http.StatusInternalServerError)
		return
	}
	file, err := os.Open(name)
	if err != nil {
		http.Error(rw, "Not Found", http.StatusNotFound)
		return
	}
	defer file.Close()
	rw.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(rw, r, "", info.ModTime(), file)
}

func listDirectory(rw http.ResponseWriter, r *http.Request, name string) {
	entries, _ := os.ReadDir(name)
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(rw, "<html><head><title>Index of %s</title></head><body><table>\n", r.URL.Path)
	for _, entry := range entries {
		link, size := entry.Name(), int64(0)
		if entry.IsDir() {
			link += "/"
		} else if info, err := entry.Info(); err == nil {
			size = info.Size()
		}
		fmt.Fprintf(rw, "<tr><td><a href=\"%s/%s?%s\">%s</a></td><td align=\"right\">%d</td></tr>\n",
			strings.TrimSuffix(r.URL.EscapedPath(), "/"), url.PathEscape(entry.Name()), r.URL.RawQuery, link, size)
	}
	fmt.Fprint(rw, "</table></body></html>\n")
}

// putFile takes a whole file, or a part of one where that is allowed.
func (w *world) putFile(rw http.ResponseWriter, r *http.Request, name string) {
	w.Lock()
	restricted, ranged := w.settings.Restricted, w.settings.RangedPut
	w.Unlock()
	if restricted {
		http.Error(rw, "Forbidden", http.StatusForbidden)
		return
	}
	if _, writable := w.access(name); !writable {
		http.Error(rw, "Failed to open file: locked", http.StatusInternalServerError)
		return
	}
	if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
		http.Error(rw, "Not Found", http.StatusNotFound)
		return
	}
	flags, offset := os.O_CREATE|os.O_WRONLY|os.O_TRUNC, int64(0)
	if given := r.Header.Get("Content-Range"); given != "" {
		from, ok := rangeStart(given)
		if !ok || !ranged {
			http.Error(rw, "Content-Range is not supported", http.StatusBadRequest)
			return
		}
		flags, offset = os.O_CREATE|os.O_WRONLY, from
	}
	_, err := os.Stat(name)
	status := http.StatusOK
	if err != nil {
		status = http.StatusCreated
	}
	if err = w.receive(name, flags, offset, r.Body); err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.WriteHeader(status)
}

func (w *world) receive(name string, flags int, offset int64, body io.Reader) error {
	file, err := os.OpenFile(name, flags, 0600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err = file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(file, body)
	w.Lock()
	w.received += n
	if l := w.layerAt(name); l != nil {
		w.wrote(l, offset, n)
	}
	w.Unlock()
	return err
}

// wrote tells the trackers of machines that are off what somebody wrote into their files.
func (w *world) wrote(l *layer, offset, length int64) {
	for _, m := range w.machines {
		for _, d := range m.disks {
			if d.top == l && !d.foreign {
				d.tracker.wrote(offset, length)
			}
		}
	}
}

// rangeStart reads "bytes 0-99/1000".
func rangeStart(text string) (int64, bool) {
	var from, to int64
	text = strings.TrimSpace(strings.TrimPrefix(text, "bytes"))
	if n, err := fmt.Sscanf(text, "%d-%d", &from, &to); n != 2 || err != nil || from < 0 || to < from {
		return 0, false
	}
	return from, true
}

func (w *world) deleteFile(rw http.ResponseWriter, name string) {
	w.Lock()
	restricted := w.settings.Restricted
	w.Unlock()
	if restricted {
		http.Error(rw, "Forbidden", http.StatusForbidden)
		return
	}
	info, err := os.Stat(name)
	if err != nil {
		http.Error(rw, "Not Found", http.StatusNotFound)
		return
	}
	if _, writable := w.access(name); !writable || info.IsDir() {
		http.Error(rw, "Failed to delete", http.StatusInternalServerError)
		return
	}
	_ = os.Remove(name)
	rw.WriteHeader(http.StatusNoContent)
}

// limited is a body that ends before its time, when a test wants that.
type limited struct {
	http.ResponseWriter
	left  int64 // -1: no limit
	drops bool
	stall <-chan struct{} // nil: it does not
	sent  int64
}

func (l *limited) WriteHeader(status int) {
	if l.left >= 0 && !l.drops { // a body that is short, and says so
		if given, err := strconv.ParseInt(l.Header().Get("Content-Length"), 10, 64); err == nil && given > l.left {
			l.Header().Set("Content-Length", fmt.Sprint(l.left))
		}
	}
	l.ResponseWriter.WriteHeader(status)
}

func (l *limited) Write(data []byte) (int, error) {
	if l.left < 0 {
		n, err := l.ResponseWriter.Write(data)
		l.sent += int64(n)
		return n, err
	}
	if int64(len(data)) > l.left {
		data = data[:l.left]
	}
	n, err := l.ResponseWriter.Write(data)
	l.sent += int64(n)
	if l.left -= int64(n); l.left == 0 {
		if flusher, ok := l.ResponseWriter.(http.Flusher); ok {
			flusher.Flush()
		}
		if l.stall != nil {
			<-l.stall
		}
		if l.drops {
			drop(l.ResponseWriter)
		}
		return n, io.ErrShortWrite
	}
	return n, err
}

// ReadFrom lets the kernel do it, when nothing is to go wrong.
func (l *limited) ReadFrom(source io.Reader) (int64, error) {
	if l.left < 0 {
		n, err := io.Copy(l.ResponseWriter, source)
		l.sent += n
		return n, err
	}
	return io.Copy(struct{ io.Writer }{l}, source)
}
