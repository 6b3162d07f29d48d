// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha1"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// lease is an import that is under way.
type lease struct {
	object  *mo.HttpNfcLease
	machine *machine
	uploads map[string]*upload // by the last part of the URL
	sign    time.Time          // of life
	born    time.Time
	ended   bool
}

type upload struct {
	disk  *disk
	file  string // path on this computer of anything else
	key   string
	sha1  string
	bytes int64
	sent  int64 // bytes that came in
	done  bool
	words string // what was wrong
}

// importVApp makes the machine and a lease, which is not ready at once.
func importVApp(w *world, c *call) (interface{}, *failure) {
	r := c.body.(*types.ImportVApp)
	pool, ok := simulator.Map.Get(c.this).(*simulator.ResourcePool)
	if !ok {
		return nil, notFound(c.this)
	}
	spec, ok := r.Spec.(*types.VirtualMachineImportSpec)
	if !ok {
		return nil, invalidArgument("spec")
	}
	at := place{pool: c.this, host: r.Host}
	if r.Folder != nil {
		at.folder = *r.Folder
	} else {
		at.folder = datacenterOf(pool).VmFolder
	}
	m, failed := w.create(at, &spec.ConfigSpec, nil)
	if failed != nil {
		return nil, failed
	}
	now := time.Now()
	l := &lease{
		object: new(mo.HttpNfcLease), machine: m, uploads: map[string]*upload{}, sign: now,
		born: now,
	}
	l.object.Self = w.sessionRef(c, "HttpNfcLease")
	l.object.State = types.HttpNfcLeaseStateInitializing
	l.object.InitializeProgress = 0
	l.object.Info = w.leaseInfo(l)
	w.leases[l.object.Self] = l
	simulator.Map.Put(l.object)
	return &types.ImportVAppResponse{Returnval: l.object.Self}, nil
}

func (w *world) leaseInfo(l *lease) *types.HttpNfcLeaseInfo {
	info := &types.HttpNfcLeaseInfo{
		Lease: l.object.Self, Entity: l.machine.vm.Self,
		LeaseTimeout: int32(w.settings.LeaseTimeout.duration() / time.Second),
	}
	if info.LeaseTimeout < 1 {
		info.LeaseTimeout = 1
	}
	scheme := "https"
	if w.options.cert == "" {
		scheme = "http"
	}
	ticket := fmt.Sprintf("52%08x", w.next())
	for i, d := range l.machine.disks {
		name := fmt.Sprintf("disk-%d.vmdk", i)
		u := &upload{disk: d, key: l.key(d)}
		l.uploads[ticket+"/"+name] = u
		info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key: u.key, ImportKey: l.importKey(d), Url: scheme + "://*/nfc/" + ticket + "/" + name,
			SslThumbprint: w.thumbprint(), Disk: types.NewBool(true), TargetId: name,
			DatastoreKey: "https://*/folder",
		})
		info.TotalDiskCapacityInKB += d.top.size / 1024
	}
	ds, directory := l.machine.home()
	name := l.machine.name() + ".nvram"
	l.uploads[ticket+"/"+name] = &upload{
		key: "/" + l.machine.vm.Self.Value + "/nvram", file: filepath.Join(directoryOf(ds), directory, name),
	}
	info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
		Key: "/" + l.machine.vm.Self.Value + "/nvram", ImportKey: "/" + l.machine.name() + "/nvram",
		Url: scheme + "://*/nfc/" + ticket + "/" + name, SslThumbprint: w.thumbprint(),
		Disk: types.NewBool(false), TargetId: name,
	})
	return info
}

// key names a disk by its controller and unit: "/vm-42/ParaVirtualSCSIController0:0".
func (l *lease) key(d *disk) string {
	return "/" + l.machine.vm.Self.Value + "/" + l.place(d)
}

func (l *lease) importKey(d *disk) string { return "/" + l.machine.name() + "/" + l.place(d) }

func (l *lease) place(d *disk) string {
	controller := deviceOf(l.machine.vm.Config.Hardware.Device, d.device.ControllerKey)
	kind := strings.TrimPrefix(fmt.Sprintf("%T", controller), "*types.")
	place := l.machine.placeOf(d.device)
	return kind + strings.TrimLeft(place, "abcdefghijklmnopqrstuvwxyz")
}

func (w *world) leaseOf(c *call) (*lease, *failure) {
	l := w.leases[c.this]
	if l == nil || simulator.Map.Get(c.this) == nil {
		return nil, notFound(c.this)
	}
	return l, nil
}

func (l *lease) alive() *failure {
	if l.ended || l.object.State == types.HttpNfcLeaseStateError {
		return fail(new(types.Timedout), "Operation timed out.")
	}
	if l.object.State != types.HttpNfcLeaseStateReady {
		return fail(new(types.InvalidState), "The operation is not allowed in the current state.")
	}
	return nil
}

func leaseProgress(w *world, c *call) (interface{}, *failure) {
	l, failed := w.leaseOf(c)
	if failed == nil {
		failed = l.alive()
	}
	if failed != nil {
		return nil, failed
	}
	percent := c.body.(*types.HttpNfcLeaseProgress).Percent
	if percent < 0 || percent > 100 {
		return nil, invalidArgument("percent")
	}
	l.sign = time.Now()
	l.object.TransferProgress = percent
	return new(types.HttpNfcLeaseProgressResponse), nil
}

func leaseComplete(w *world, c *call) (interface{}, *failure) {
	l, failed := w.leaseOf(c)
	if failed == nil {
		failed = l.alive()
	}
	if failed != nil {
		return nil, failed
	}
	l.ended = true
	l.object.State = types.HttpNfcLeaseStateDone
	w.writeConfig(l.machine)
	return new(types.HttpNfcLeaseCompleteResponse), nil
}

func leaseAbort(w *world, c *call) (interface{}, *failure) {
	l, failed := w.leaseOf(c)
	if failed != nil {
		return nil, failed
	}
	if l.ended {
		return nil, fail(new(types.InvalidState), "The operation is not allowed in the current state.")
	}
	w.endLease(l, c.body.(*types.HttpNfcLeaseAbort).Fault)
	return new(types.HttpNfcLeaseAbortResponse), nil
}

// endLease gives an import up: its machine goes.
func (w *world) endLease(l *lease, fault *types.LocalizedMethodFault) {
	l.ended = true
	l.object.State = types.HttpNfcLeaseStateError
	if fault == nil {
		fault = &types.LocalizedMethodFault{Fault: new(types.RequestCanceled), LocalizedMessage: "The task was canceled by a user."}
	}
	l.object.Error = fault
	_, _ = w.guard("lease", func() (interface{}, *failure) { return nil, w.discard(l.machine, true) })
}

func leaseManifest(w *world, c *call) (interface{}, *failure) {
	l, failed := w.leaseOf(c)
	if failed != nil {
		return nil, failed
	}
	var entries []types.HttpNfcLeaseManifestEntry
	for _, u := range l.uploads {
		if u.done {
			entries = append(entries, types.HttpNfcLeaseManifestEntry{
				Key: u.key, Sha1: u.sha1, Size: u.sent, Disk: u.disk != nil, Capacity: u.capacity(),
				PopulatedSize: u.bytes,
			})
		}
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Key < entries[j].Key })
	return &types.HttpNfcLeaseGetManifestResponse{Returnval: entries}, nil
}

func (u *upload) capacity() int64 {
	if u.disk == nil {
		return 0
	}
	return u.disk.top.size
}

// watchLeases makes them ready, and gives up those from which nothing is heard.
func (w *world) watchLeases() {
	for w.pause(20 * time.Millisecond) {
		w.Lock()
		now := time.Now()
		for _, l := range w.leases {
			switch {
			case l.ended:
			case l.object.State == types.HttpNfcLeaseStateInitializing && now.Sub(l.born) >= w.settings.LeaseDelay.duration():
				if w.settings.LeaseFails {
					w.endLease(l, &types.LocalizedMethodFault{
						Fault: new(types.InsufficientResourcesFault), LocalizedMessage: "Insufficient resources."})
					continue
				}
				l.object.InitializeProgress = 100
				l.object.State, l.sign = types.HttpNfcLeaseStateReady, now
			case l.object.State == types.HttpNfcLeaseStateReady && now.Sub(l.sign) > w.settings.LeaseTimeout.duration():
				w.endLease(l, &types.LocalizedMethodFault{
					Fault: new(types.Timedout), LocalizedMessage: "Operation timed out."})
			}
		}
		w.Unlock()
	}
}

// serveLease takes what is uploaded.  The ticket in the URL is all that it asks for.
func (w *world) serveLease(rw http.ResponseWriter, r *http.Request) {
	name := r.Method + " /nfc"
	w.Lock()
	w.counts[name]++
	matched := w.match(name)
	w.Unlock()
	if matched != nil && matched.before(rw, r) {
		return
	}
	body := io.Reader(r.Body)
	if matched != nil && matched.Short > 0 {
		_, _ = io.CopyN(io.Discard, r.Body, matched.Short)
		drop(rw)
		return
	}
	l, u := w.findUpload(strings.TrimPrefix(r.URL.Path, "/nfc/"))
	if u == nil {
		http.Error(rw, "Not Found", http.StatusNotFound)
		return
	}
	status, err := w.upload(l, u, r, body)
	w.Lock()
	if err != nil {
		u.words = err.Error()
	} else if status < 300 {
		u.done = true
	}
	w.Unlock()
	if matched != nil && matched.after(rw, r) {
		return
	}
	if err != nil {
		http.Error(rw, err.Error(), status)
		return
	}
	rw.WriteHeader(status)
}

func (w *world) findUpload(where string) (*lease, *upload) {
	w.Lock()
	defer w.Unlock()
	for _, l := range w.leases {
		if u := l.uploads[where]; u != nil && l.object.State == types.HttpNfcLeaseStateReady {
			return l, u
		}
	}
	return nil, nil
}

// counted counts what comes in, and sums it up.
type counted struct {
	io.Reader
	count func(n int)
}

func (c *counted) Read(data []byte) (int, error) {
	n, err := c.Reader.Read(data)
	c.count(n)
	return n, err
}

func (w *world) upload(l *lease, u *upload, r *http.Request, body io.Reader) (int, error) {
	sum := sha1.New()
	in := io.TeeReader(&counted{body, func(n int) {
		w.Lock()
		u.sent += int64(n)
		w.received += int64(n)
		w.Unlock()
	}}, sum)
	if u.disk == nil {
		if r.Method != http.MethodPut {
			return http.StatusMethodNotAllowed, fmt.Errorf("%s of a file that is no disk", r.Method)
		}
		text, err := io.ReadAll(io.LimitReader(in, 1<<24))
		if err == nil {
			err = os.WriteFile(u.file, text, 0600)
		}
		u.finish(sum.Sum(nil), int64(len(text)))
		return http.StatusCreated, err
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return http.StatusMethodNotAllowed, fmt.Errorf("%s of a disk", r.Method)
	}
	if kind := r.Header.Get("Content-Type"); kind != "application/x-vnd.vmware-streamVmdk" {
		return http.StatusUnsupportedMediaType, fmt.Errorf("content of the type %q", kind)
	}
	kept, err := os.Create(w.keptName(l, u))
	if err != nil {
		return http.StatusInternalServerError, err
	}
	defer kept.Close()
	file, err := os.OpenFile(u.disk.top.data, os.O_WRONLY, 0)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	defer file.Close()
	written := int64(0)
	err = readStreamVMDK(io.TeeReader(in, kept), u.disk.top.size, func(offset int64, data []byte) error {
		written += int64(len(data))
		_, err := file.WriteAt(data, offset)
		return err
	})
	if err != nil {
		return http.StatusInternalServerError, err
	}
	u.finish(sum.Sum(nil), written)
	return http.StatusCreated, nil
}

// keptName is where the upload is kept as it came.
func (w *world) keptName(l *lease, u *upload) string {
	return filepath.Join(w.directory, "upload-"+l.machine.vm.Self.Value+"-"+path.Base(u.key))
}

func (u *upload) finish(sum []byte, bytes int64) {
	u.sha1 = fmt.Sprintf("%x", sum)
	u.bytes = bytes
}
