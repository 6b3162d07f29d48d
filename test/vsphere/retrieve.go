// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"strconv"

	"github.com/vmware/govmomi/vim25/types"
)

// page is the rest of an answer, to be asked for by its token.
type page struct {
	objects []types.ObjectContent
	size    int
}

// retrieveEx has the library collect all, and hands it out page by page.
func retrieveEx(w *world, c *call) (interface{}, *failure) {
	request := c.body.(*types.RetrievePropertiesEx)
	result, failed := w.collect(c, request.SpecSet)
	if failed != nil {
		return nil, failed
	}
	size := w.settings.PageSize
	if asked := int(request.Options.MaxObjects); asked > 0 && (size == 0 || asked < size) {
		size = asked
	}
	if len(result) == 0 {
		return &types.RetrievePropertiesExResponse{}, nil
	}
	return &types.RetrievePropertiesExResponse{
		Returnval: c.session.hand(&page{objects: result, size: size}),
	}, nil
}

// collect has the library do it.
func (w *world) collect(c *call, specs []types.PropertyFilterSpec) ([]types.ObjectContent, *failure) {
	w.refresh()
	own := *c
	own.name = "RetrievePropertiesEx"
	own.this = types.ManagedObjectReference{Type: "PropertyCollector", Value: w.collectorName()}
	own.body = &types.RetrievePropertiesEx{This: own.this, SpecSet: specs}
	result, failed := w.library(&own)
	if failed != nil {
		return nil, failed
	}
	answer := result.(*types.RetrievePropertiesExResponse).Returnval
	if answer == nil {
		return nil, nil
	}
	return answer.Objects, nil
}

// hand gives out the first part, and keeps the rest for when it is asked for.
func (s *session) hand(p *page) *types.RetrieveResult {
	if p.size <= 0 || len(p.objects) <= p.size {
		return &types.RetrieveResult{Objects: p.objects}
	}
	result := &types.RetrieveResult{Objects: p.objects[:p.size]}
	s.tokens++
	result.Token = strconv.Itoa(s.tokens)
	s.pages[result.Token] = &page{objects: p.objects[p.size:], size: p.size}
	return result
}

func continueRetrieve(_ *world, c *call) (interface{}, *failure) {
	token := c.body.(*types.ContinueRetrievePropertiesEx).Token
	p := c.session.pages[token]
	if p == nil {
		return nil, fail(&types.InvalidArgument{InvalidProperty: "token"},
			"A specified parameter was not correct: token")
	}
	delete(c.session.pages, token)
	return &types.ContinueRetrievePropertiesExResponse{Returnval: *c.session.hand(p)}, nil
}

func cancelRetrieve(_ *world, c *call) (interface{}, *failure) {
	delete(c.session.pages, c.body.(*types.CancelRetrievePropertiesEx).Token)
	return new(types.CancelRetrievePropertiesExResponse), nil
}

func retrieve(w *world, c *call) (interface{}, *failure) {
	result, failed := w.collect(c, c.body.(*types.RetrieveProperties).SpecSet)
	if failed != nil {
		return nil, failed
	}
	return &types.RetrievePropertiesResponse{Returnval: result}, nil
}
