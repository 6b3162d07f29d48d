// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// Servers take a request only as the WSDL has it: its members in their order, none that it does
// not know, none missing that must be there.  The library's types know that order; its decoder does
// not look at it.

// member is a child that a type may have.
type member struct {
	name     string
	kind     reflect.Type
	optional bool
	many     bool
}

// members are those of a struct, what it extends first, as in the WSDL.
func members(kind reflect.Type) []member {
	var all []member
	for i := 0; i < kind.NumField(); i++ {
		f := kind.Field(i)
		if f.Anonymous {
			all = append(all, members(f.Type)...)
			continue
		}
		tag := strings.Split(f.Tag.Get("xml"), ",")
		if tag[0] == "" || tag[0] == "-" || contains(tag, "attr") || contains(tag, "chardata") {
			continue
		}
		m := member{name: tag[0], kind: f.Type, optional: contains(tag, "omitempty")}
		switch {
		case m.kind.Kind() == reflect.Slice && m.kind.Elem().Kind() != reflect.Uint8:
			m.many, m.kind = true, m.kind.Elem()
		case m.kind.Kind() == reflect.Ptr:
			m.optional = true
		}
		if m.kind.Kind() == reflect.Ptr {
			m.kind = m.kind.Elem()
		}
		all = append(all, m)
	}
	return all
}

func contains(list []string, word string) bool {
	for _, one := range list {
		if one == word {
			return true
		}
	}
	return false
}

type element struct {
	XMLName  xml.Name
	Attr     []xml.Attr `xml:",any,attr"`
	Children []element  `xml:",any"`
}

func (e *element) typeName() string {
	for _, a := range e.Attr {
		if a.Name.Local == "type" && strings.HasSuffix(a.Name.Space, "XMLSchema-instance") {
			return a.Value
		}
	}
	return ""
}

// checkRequest finds what a server would refuse in the text of a request.
func checkRequest(strict bool, name string, text []byte) *failure {
	kind, ok := typeOf(name)
	if !strict || !ok {
		return nil
	}
	var top element
	if xml.NewDecoder(bytes.NewReader(text)).Decode(&top) != nil {
		return nil
	}
	for _, body := range top.Children {
		if body.XMLName.Local != "Body" || len(body.Children) == 0 {
			continue
		}
		if words := check(&body.Children[0], kind, name); words != "" {
			return fail(new(types.InvalidRequest), "%s", words)
		}
	}
	return nil
}

// check returns what is wrong with an element of a type; "" for nothing.
func check(e *element, kind reflect.Type, path string) string {
	if named := e.typeName(); named != "" && !strings.HasPrefix(named, "xsd:") && !strings.HasPrefix(named, "xs:") {
		found, ok := typeOf(named)
		if !ok {
			return "Type not found: " + named + " at " + path
		}
		kind = found
	}
	if kind.Kind() == reflect.Interface && kind.NumMethod() > 0 {
		// A base type, without xsi:type: that type itself.
		if found, ok := typeOf(strings.TrimPrefix(kind.Name(), "Base")); ok {
			kind = found
		}
	}
	if kind.Kind() != reflect.Struct || kind.PkgPath() == "time" || kind.Name() == "ManagedObjectReference" {
		if kind.Name() == "ManagedObjectReference" && !e.hasPlainType() {
			return "a reference without its type at " + path
		}
		return ""
	}
	all := members(kind)
	at := 0
	for i := range e.Children {
		child := &e.Children[i]
		name := child.XMLName.Local
		for at < len(all) && all[at].name != name {
			if missing := skipped(e, &all[at], name, path); missing != "" {
				return missing
			}
			at++
		}
		if at == len(all) {
			return "unexpected or misplaced element " + name + " in " + path + " (" + kind.Name() + ")"
		}
		if words := check(child, all[at].kind, path+"/"+name); words != "" {
			return words
		}
		if !all[at].many {
			at++
		}
	}
	for ; at < len(all); at++ {
		if missing := skipped(e, &all[at], "", path); missing != "" {
			return missing
		}
	}
	return ""
}

// skipped complains of a member that is passed over although it must be there.
func skipped(e *element, m *member, next, path string) string {
	if m.optional || m.many {
		return ""
	}
	for i := range e.Children {
		if e.Children[i].XMLName.Local == m.name {
			return ""
		}
	}
	return "missing element " + m.name + " in " + path + " before " + next
}

func (e *element) hasPlainType() bool {
	for _, a := range e.Attr {
		if a.Name.Local == "type" && a.Name.Space == "" {
			return true
		}
	}
	return false
}
