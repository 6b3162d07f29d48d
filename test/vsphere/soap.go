// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

const requestMax = 16 << 20

// call is one request of the API, decoded.
type call struct {
	name    string
	this    types.ManagedObjectReference
	body    interface{} // *types.NAME
	session *session    // nil: not logged in
	request *http.Request
	cookie  string // to set, with the answer
	status  int    // to answer with, instead of anything else
}

// failure is a fault that a call ends with.
type failure struct {
	message string
	fault   types.BaseMethodFault
}

func fail(fault types.BaseMethodFault, format string, arguments ...interface{}) *failure {
	return &failure{message: fmt.Sprintf(format, arguments...), fault: fault}
}

// method answers a call: with *types.NAMEResponse, or a failure.
type method func(w *world, c *call) (interface{}, *failure)

// free are the calls that need no session.
var free = map[string]bool{
	"RetrieveServiceContent": true, "Login": true, "CurrentTime": true,
	"RetrieveInternalContent": true,
}

func (w *world) serveSDK(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		rw.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, requestMax))
	if err != nil {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	decoded, err := simulator.UnmarshalBody(typeOf, text)
	if err != nil {
		writeFault(rw, fail(new(types.InvalidRequest), "%s", err))
		return
	}
	c := &call{name: decoded.Name, this: decoded.This, body: decoded.Body, request: r}
	w.answer(rw, c, text)
}

func (w *world) answer(rw http.ResponseWriter, c *call, text []byte) {
	w.Lock()
	w.counts[c.name]++
	w.calls++
	defer w.with(func() { w.calls-- })
	c.session = w.sessionOf(c.request)
	matched := w.match(c.name)
	if matched != nil && matched.Expire {
		c.session = nil
	}
	strict := w.settings.Strict
	w.Unlock()

	if matched != nil && matched.before(rw, c.request) {
		return
	}
	var result interface{}
	failed := checkRequest(strict, c.name, text)
	if failed == nil && matched != nil {
		failed = matched.failure(c.this)
	}
	if failed == nil {
		result, failed = w.dispatch(c)
	}
	if matched != nil && matched.after(rw, c.request) {
		return
	}
	if c.cookie != "" {
		rw.Header().Add("Set-Cookie", c.cookie)
	}
	switch {
	case c.status != 0:
		http.Error(rw, http.StatusText(c.status), c.status)
	case failed != nil:
		writeFault(rw, failed)
	default:
		var text []byte
		var err error
		// What is written out is still the inventory's.
		w.with(func() { text, err = encode(&resultBody{c.name, result}) })
		send(rw, http.StatusOK, text, err)
	}
}

// dispatch calls ours, or else the library's.
func (w *world) dispatch(c *call) (result interface{}, failed *failure) {
	if c.session == nil && !free[c.name] {
		return nil, fail(&types.NotAuthenticated{NoPermission: types.NoPermission{
			Object: c.this, PrivilegeId: "System.View"}}, "The session is not authenticated.")
	}
	if waiting, ok := waiters[c.name]; ok { // locks by itself
		return waiting(w, c)
	}
	w.Lock()
	defer w.Unlock()
	if f := w.restricted(c); f != nil {
		return nil, f
	}
	if ours, ok := methods[c.name]; ok {
		return w.guard(c.name, func() (interface{}, *failure) { return ours(w, c) })
	}
	if strings.HasSuffix(c.name, "_Task") {
		return w.guard(c.name, func() (interface{}, *failure) { return w.startTask(c) })
	}
	return w.guard(c.name, func() (interface{}, *failure) { return w.library(c) })
}

// guard turns a panic of the library into a fault that tests can see.
func (w *world) guard(name string, f func() (interface{}, *failure)) (r interface{}, e *failure) {
	defer func() {
		if p := recover(); p != nil {
			w.note(name, p)
			e = fail(&types.SystemError{Reason: "panic"}, "A general system error occurred: %v", p)
		}
	}()
	return f()
}

// object is what the session sees at a reference.
func (w *world) object(c *call) interface{} {
	if c.session != nil {
		if h := c.session.library.Get(c.this); h != nil {
			return h
		}
	}
	if h := simulator.Map.Get(c.this); h != nil {
		return h
	}
	return nil
}

func notFound(ref types.ManagedObjectReference) *failure {
	return fail(&types.ManagedObjectNotFound{Obj: ref},
		"The object '%s:%s' has already been deleted or has not been completely created",
		"vim."+ref.Type, ref.Value)
}

// library has the library's object do it.
func (w *world) library(c *call) (interface{}, *failure) {
	object := w.object(c)
	if object == nil {
		return nil, notFound(c.this)
	}
	name := strings.Title(strings.TrimSuffix(c.name, "_Task"))
	if name != strings.Title(c.name) {
		name += "Task"
	}
	m := reflect.ValueOf(object).MethodByName(name)
	if !m.IsValid() {
		return nil, fail(&types.MethodNotFound{Receiver: c.this, Method: c.name},
			"%s does not implement: %s", c.this, c.name)
	}
	var arguments []reflect.Value
	if m.Type().NumIn() == 2 {
		arguments = append(arguments, reflect.ValueOf(w.context(c)))
	}
	arguments = append(arguments, reflect.ValueOf(c.body))
	answer := m.Call(arguments)[0].Interface().(soap.HasFault)
	if f := answer.Fault(); f != nil {
		fault, _ := f.VimFault().(types.BaseMethodFault)
		return nil, &failure{message: f.String, fault: fault}
	}
	return reflect.ValueOf(answer).Elem().FieldByName("Res").Interface(), nil
}

func (w *world) context(c *call) *simulator.Context {
	ctx := &simulator.Context{Context: background, Map: simulator.Map, Caller: &c.this}
	if c.session != nil {
		ctx.Session = c.session.library
	} else {
		ctx.Session = &simulator.Session{Registry: simulator.NewRegistry()}
	}
	return ctx
}

// ---- writing ----

type envelope struct {
	XMLName xml.Name    `xml:"soapenv:Envelope"`
	Enc     string      `xml:"xmlns:soapenc,attr"`
	Env     string      `xml:"xmlns:soapenv,attr"`
	XSD     string      `xml:"xmlns:xsd,attr"`
	XSI     string      `xml:"xmlns:xsi,attr"`
	Body    interface{} `xml:"soapenv:Body"`
}

type resultBody struct {
	name  string
	value interface{}
}

func (b *resultBody) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	inner := xml.StartElement{Name: xml.Name{Space: "urn:vim25", Local: b.name + "Response"}}
	if err := e.EncodeElement(b.value, inner); err != nil {
		return err
	}
	return e.EncodeToken(start.End())
}

type faultDetail struct {
	fault types.BaseMethodFault
}

func (d *faultDetail) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if d.fault == nil {
		return nil
	}
	kind := reflect.TypeOf(d.fault).Elem().Name()
	start.Name.Local = kind + "Fault"
	start.Attr = append(start.Attr,
		xml.Attr{Name: xml.Name{Local: "xmlns"}, Value: "urn:vim25"},
		xml.Attr{Name: xml.Name{Local: "xsi:type"}, Value: kind})
	return e.EncodeElement(d.fault, start)
}

type faultBody struct {
	Fault struct {
		XMLName xml.Name `xml:"soapenv:Fault"`
		Code    string   `xml:"faultcode"`
		String  string   `xml:"faultstring"`
		Detail  struct {
			Fault *faultDetail
		} `xml:"detail"`
	}
}

// The library declares a prefix of its own at each value; servers have one at the top.
var prefixed = regexp.MustCompile(` xmlns:_?XMLSchema-instance="[^"]*"| _?XMLSchema-instance:(type|nil)=`)

func encode(body interface{}) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(xml.Header)
	err := xml.NewEncoder(&out).Encode(&envelope{
		Enc:  "http://schemas.xmlsoap.org/soap/encoding/",
		Env:  "http://schemas.xmlsoap.org/soap/envelope/",
		XSD:  "http://www.w3.org/2001/XMLSchema",
		XSI:  "http://www.w3.org/2001/XMLSchema-instance",
		Body: body,
	})
	return prefixed.ReplaceAllFunc(out.Bytes(), func(found []byte) []byte {
		if bytes.HasPrefix(found, []byte(" xmlns")) {
			return nil
		}
		return append([]byte(" xsi"), found[bytes.IndexByte(found, ':'):]...)
	}), err
}

func send(rw http.ResponseWriter, status int, text []byte, err error) {
	if err != nil {
		http.Error(rw, "encoding: "+err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/xml; charset=utf-8")
	rw.WriteHeader(status)
	_, _ = rw.Write(text)
}

func writeFault(rw http.ResponseWriter, f *failure) {
	body := new(faultBody)
	body.Fault.Code = "ServerFaultCode"
	body.Fault.String = f.message
	body.Fault.Detail.Fault = &faultDetail{f.fault}
	text, err := encode(body)
	send(rw, http.StatusInternalServerError, text, err)
}

// serveVersions says which versions of the API there are.
func (w *world) serveVersions(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/xml")
	fmt.Fprint(rw, xml.Header, `<namespaces version="1.0"><namespace><name>urn:vim25</name>`,
		`<version>`, w.apiVersion(), `</version><priorVersions><version>6.5</version><version>6.0</version>`,
		`<version>5.5</version></priorVersions></namespace></namespaces>`, "\n")
}
