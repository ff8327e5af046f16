package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/fluxmq/webhookd/config"
)

type storeCommand struct {
	Info    storeInfoCommand    `cmd:"" help:"Say what a store holds, for whom, and since when."`
	Verify  storeVerifyCommand  `cmd:"" help:"Check every page, checksum and account of a store, and change nothing."`
	Compact storeCompactCommand `cmd:"" help:"Give what is free of a store's file back to the file system."`
}

// storeFlags say which store a command looks at. No program may use it meanwhile.
type storeFlags struct {
	Dir    string `arg:"" optional:"" placeholder:"DIR" help:"The folder of the store."`
	Config string `placeholder:"FILE" help:"The configuration that names it, as store.dir; either this or DIR is needed."`
	JSON   bool   `help:"Print it as JSON."`
}

// Validate is called by the command line's parser.
func (f *storeFlags) Validate() error {
	switch {
	case f.Dir == "" && f.Config == "":
		return errors.New("missing the store: DIR or --config=FILE")
	case f.Dir != "" && f.Config != "":
		return errors.New("DIR and --config can't be used together")
	}
	return nil
}

// find returns the folder, and the configuration where that names it; its errors are for who gave the flags.
func (f *storeFlags) find(c console) (dir string, cfg *config.Config, err error) {
	if f.Config == "" {
		return f.Dir, nil, nil
	}
	loaded, _, err := c.load(f.Config)
	switch {
	case err != nil:
		return "", nil, err
	case loaded.Store.Dir == "":
		return "", nil, fmt.Errorf("%s has no store.dir: what is held lives in memory only, and ends with the program", f.Config)
	}
	return string(loaded.Store.Dir), &loaded, nil
}

// shownBytes is a size for people, in four characters at most and a unit of a power of 1,024.
func shownBytes(bytes int64) string {
	size, unit := float64(bytes), -1
	for ; size >= 1023.5 && unit < len(unitLetters)-1; unit++ {
		size /= 1024
	}
	switch {
	case unit < 0:
		return strconv.FormatInt(bytes, 10) + " B"
	case size < 9.95:
		return fmt.Sprintf("%.1f %ciB", size, unitLetters[unit])
	}
	return fmt.Sprintf("%.0f %ciB", size, unitLetters[unit])
}

const unitLetters = "KMGTPE"
