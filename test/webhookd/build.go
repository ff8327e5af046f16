// Package webhookd runs the real program for tests that look at it from outside.
package webhookd

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binary is the program under test, built once.
var binary string

// BuildAndTest builds the program and runs a package's tests with it. TestMain ends with the code that it returns.
func BuildAndTest(m *testing.M) int {
	dir, err := os.MkdirTemp("", "webhookd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "webhookd")
	build := exec.Command("go", "build", "-o", binary, "github.com/fluxmq/webhookd/cmd/webhookd")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// Command runs the program with these arguments to its end.
func Command(args ...string) (code int, stdout, stderr string) {
	command := NewCommand(args...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	_ = command.Run() // its exit code tells
	return command.ProcessState.ExitCode(), out.String(), errs.String()
}

// NewCommand is the program with these arguments, for the caller to run.
func NewCommand(args ...string) *exec.Cmd {
	dependOnSource()
	return exec.Command(binary, args...)
}

// dependOnSource opens the module's folders: go test repeats an earlier result where nothing changed that a test
// imports or opens, and no test imports the program.
var dependOnSource = sync.OnceFunc(func() {
	_ = filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || !entry.IsDir():
			return err
		case entry.Name() == ".git":
			return fs.SkipDir
		}
		folder, err := os.Open(path)
		if err != nil {
			return err
		}
		return folder.Close()
	})
})
