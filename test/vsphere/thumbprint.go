// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha1"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
)

// thumbprint is the certificate's, as leases tell it: SHA-1 with colons; "" without TLS.
func (w *world) thumbprint() string {
	text, err := os.ReadFile(w.options.cert)
	if err != nil {
		return ""
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return ""
	}
	var parts []string
	for _, b := range sha1.Sum(block.Bytes) {
		parts = append(parts, fmt.Sprintf("%02X", b))
	}
	return strings.Join(parts, ":")
}
