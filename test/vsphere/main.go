// SPDX-License-Identifier: GPL-3.0-or-later

// A vSphere server for tests: the inventory and the property collector of govmomi's simulator, and
// around them what that leaves out and a backup program lives by.  README.md tells all.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
)

// options are what can be chosen at the start only.
type options struct {
	model     string
	version   string
	listen    string
	control   string
	user      string
	password  string
	cert, key string
	directory string
	machines  int
	centers   int
	folders   int
	verbose   bool
}

func parseOptions() *options {
	o := new(options)
	flag.StringVar(&o.model, "model", "vpx", "vpx (vCenter) or esx (a single host)")
	flag.StringVar(&o.version, "version", "6.7.0", "of the product; from 7.0 on with /api")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of the API")
	flag.StringVar(&o.control, "control", "127.0.0.1:0", "address of the controls")
	flag.StringVar(&o.user, "user", "root", "who may log in")
	flag.StringVar(&o.password, "password", "only-for-tests", "and the password")
	flag.StringVar(&o.cert, "cert", "", "PEM file of the certificate: serve HTTPS")
	flag.StringVar(&o.key, "key", "", "PEM file of its key")
	flag.StringVar(&o.directory, "directory", "", "where datastores are; made, and removed at the end")
	flag.IntVar(&o.machines, "machines", 2, "virtual machines per host or cluster at the start")
	flag.IntVar(&o.centers, "datacenters", 1, "datacenters of a vCenter")
	flag.IntVar(&o.folders, "folders", 0, "how many of them are in a folder")
	flag.BoolVar(&o.verbose, "verbose", false, "log to standard error")
	flag.Parse()
	return o
}

// untilTold waits for a signal, or for the parent to be gone: its end of our input closes then.
func untilTold(told <-chan os.Signal) {
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(gone)
	}()
	select {
	case <-told:
	case <-gone:
	}
}

func run(o *options) error {
	told := make(chan os.Signal, 1)
	signal.Notify(told, os.Interrupt, syscall.SIGTERM)
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	defer w.remove()
	api, control, err := w.serve()
	if err != nil {
		return err
	}
	ready, _ := json.Marshal(map[string]string{
		"url": api, "control": control, "user": o.user, "directory": w.directory,
	})
	fmt.Println(string(ready))
	untilTold(told)
	return nil
}

func main() {
	o := parseOptions()
	if !o.verbose {
		log.SetOutput(io.Discard)
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "vsphere simulator:", err)
		os.Exit(1)
	}
}
