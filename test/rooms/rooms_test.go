// Package rooms holds the walls: no package imports another one of ours that ARCHITECTURE.md does not let it import.
package rooms

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	module = "github.com/fluxmq/webhookd/"
)

// TestEveryPackageImportsWhatArchitectureSays: tests of a package may import more.
func TestEveryPackageImportsWhatArchitectureSays(t *testing.T) {
	table := readTable(t)
	imports := importsByPackage(t)
	for folder, imported := range imports {
		room, found := roomOf(table, folder)
		require.True(t, found, "ARCHITECTURE.md has no room for %s/", folder)
		for _, other := range imported {
			require.True(t, mayImport(table[room], room, other), "%s/ may not import %s/", folder, other)
		}
	}
	for room := range table {
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(imports)), func(folder string) bool { return within(room, folder) }),
			"ARCHITECTURE.md names %s/, where no package is", room)
	}
}

// TestEveryImportThatArchitectureAllowsIsMade: what the table allows and nobody needs is a door left open.
func TestEveryImportThatArchitectureAllowsIsMade(t *testing.T) {
	imports := importsByPackage(t)
	table := readTable(t)
	for room, allowed := range table {
		for _, other := range allowed {
			if other == everything {
				continue
			}
			made := false
			for folder, imported := range imports {
				of, _ := roomOf(table, folder)
				made = made || of == room && slices.ContainsFunc(imported, func(i string) bool { return within(other, i) })
			}
			require.True(t, made, "ARCHITECTURE.md lets %s/ import %s/, and it does not", room, other)
		}
	}
}

func TestAWallLetsNothingElseThrough(t *testing.T) {
	allowed := []string{"messages", "internal"}
	for other, may := range map[string]bool{
		"messages": true, "internal/httpserver": true, "room": true, "room/inner": true,
		"messagesx": false, "config": false, "other/room": false,
	} {
		require.Equal(t, may, mayImport(allowed, "room", other), other)
	}
	require.True(t, mayImport([]string{everything}, "room", "config"))
}

// everything stands in the table for every other room.
const everything = "all"

func mayImport(allowed []string, room, other string) bool {
	return within(room, other) || slices.ContainsFunc(allowed, func(a string) bool {
		return a == everything || within(a, other)
	})
}

func within(room, folder string) bool {
	return folder == room || strings.HasPrefix(folder, room+"/")
}

// roomOf is the innermost room that the folder is in.
func roomOf(table map[string][]string, folder string) (string, bool) {
	for ; folder != "."; folder = path.Dir(folder) {
		if _, found := table[folder]; found {
			return folder, true
		}
	}
	return "", false
}

var (
	row    = regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|[^|]*\\| ([^|]*) \\|$")
	quoted = regexp.MustCompile("`([^`]+?)/?`")
)

// readTable reads the rows of "The rooms": a folder, what lives there, and what of ours it may import.
func readTable(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	require.NoError(t, err)
	table := map[string][]string{}
	for _, cells := range row.FindAllStringSubmatch(string(text), -1) {
		allowed := strings.FieldsFunc(cells[2], func(r rune) bool { return r == ',' || r == ' ' })
		allowed = slices.DeleteFunc(allowed, func(name string) bool { return name == "none" })
		for _, folder := range quoted.FindAllStringSubmatch(cells[1], -1) {
			table[folder[1]] = allowed
		}
	}
	require.NotEmpty(t, table)
	return table
}

// importsByPackage lists, for each folder with Go files, the folders of ours that they import, tests left aside.
func importsByPackage(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string][]string{}
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		imports[folder] = append(imports[folder], ours(parsed.Imports)...)
		return nil
	}))
	return imports
}

func ours(specs []*ast.ImportSpec) []string {
	var folders []string
	for _, spec := range specs {
		imported, _ := strconv.Unquote(spec.Path.Value) // the parser took it
		if folder, found := strings.CutPrefix(imported, module); found {
			folders = append(folders, folder)
		}
	}
	return folders
}
