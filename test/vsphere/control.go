// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// control is what a test can ask for: a JSON object in, a JSON value out.
type control func(w *world, body []byte) (interface{}, error)

var controls map[string]control

func (w *world) controlHandler() http.Handler {
	mux := http.NewServeMux()
	for name, f := range controls {
		f := f
		mux.HandleFunc("/"+name, func(rw http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil && len(body) == 0 {
				body = []byte("{}")
			}
			var text []byte
			if err == nil {
				w.with(func() {
					var result interface{}
					if result, err = f(w, body); err == nil {
						text, err = json.Marshal(result)
					}
				})
			}
			if err != nil {
				http.Error(rw, err.Error(), http.StatusBadRequest)
				return
			}
			rw.Header().Set("Content-Type", "application/json")
			_, _ = rw.Write(text)
		})
	}
	mux.HandleFunc("/data", w.serveData)
	return mux
}

// serveData reads and writes disks as a guest does: GET and PUT /data?vm=&disk=&offset=&length=.
func (w *world) serveData(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		w.with(func() { body, err = w.guest(r.Method, r.URL.Query(), body) })
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = rw.Write(body)
}

func (w *world) guest(method string, query url.Values, body []byte) ([]byte, error) {
	m, err := w.findMachine(query.Get("vm"))
	if err != nil {
		return nil, err
	}
	number, _ := strconv.Atoi(query.Get("disk"))
	if number < 0 || number >= len(m.disks) {
		return nil, fmt.Errorf("%s has no disk %d", m.name(), number)
	}
	d := m.disks[number]
	offset, _ := strconv.ParseInt(query.Get("offset"), 10, 64)
	if method == http.MethodPut {
		err := d.top.write(offset, body)
		if err == nil {
			d.tracker.wrote(offset, int64(len(body)))
		}
		return nil, err
	}
	l := d.top
	if name := query.Get("snapshot"); name != "" {
		if l, err = m.frozenLayer(name, d); err != nil {
			return nil, err
		}
	}
	length, err := strconv.ParseInt(query.Get("length"), 10, 64)
	if err != nil {
		length = l.size - offset
	}
	if offset < 0 || length < 0 || offset+length > l.size || offset%sectorSize != 0 || length%sectorSize != 0 {
		return nil, fmt.Errorf("not in whole sectors of the disk")
	}
	data := make([]byte, length)
	return data, l.read(offset, data)
}

func (m *machine) frozenLayer(name string, d *disk) (*layer, error) {
	for _, s := range m.snapshots {
		if (s.tree.Name == name || s.object.Self.Value == name) && s.frozen[d.key()] != nil {
			return s.frozen[d.key()].layer, nil
		}
	}
	return nil, fmt.Errorf("%s has no snapshot %q", m.name(), name)
}
