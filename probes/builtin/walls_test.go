package builtin

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// impure says what a file of an adapter does that the linter's rules cannot see: it starts goroutines,
// waits for them, or keeps state outside its sessions.
func impure(file *ast.File, fset *token.FileSet) (found []string) {
	say := func(n ast.Node, what string) {
		found = append(found, fmt.Sprintf("%s %s", fset.Position(n.Pos()), what))
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			say(n, "starts a goroutine")
		case *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
			say(n, "uses a channel")
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				say(n, "runs when the program starts")
			}
		}
		return true
	})
	return found
}

func TestAdaptersArePure(t *testing.T) {
	fset := token.NewFileSet()
	for _, d := range Drivers {
		pkg := reflect.TypeOf(d.Adapter).PkgPath()
		files, err := filepath.Glob(filepath.Join("..", filepath.Base(pkg), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no files: %v", pkg, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, what := range impure(file, fset) {
				t.Error(what)
			}
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(source), "PULSE_") {
				t.Errorf("%s names an environment variable: only the program that reads it knows what it is called", path)
			}
		}
	}
	// The check itself notices what it is for.
	for _, planted := range []string{"func f() { go func() {}() }", "func f(c chan int) { c <- 1 }", "func f() { select {} }", "func init() {}"} {
		file, err := parser.ParseFile(fset, "planted.go", "package p\n"+planted, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if len(impure(file, fset)) == 0 {
			t.Errorf("%q passes", planted)
		}
	}
}

func TestEveryFolderOfAnAdapterIsInTheList(t *testing.T) {
	listed := []string{"adapter", "builtin", "examples", "host", "node", "php", "recorder", "wasm", "wasmhost"} // these are none
	for _, d := range Drivers {
		listed = append(listed, filepath.Base(reflect.TypeOf(d.Adapter).PkgPath()))
	}
	folders, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if f.IsDir() && !slices.Contains(listed, f.Name()) {
			t.Errorf("probes/%s is no driver's: add it to Drivers, or here", f.Name())
		}
	}
}

// rows are the table rows of a file, each as its cells.
func rows(t *testing.T, path string) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", path))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "| ") {
			const escaped = "\x00"
			cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, escaped), "|"), "|")
			for i := range cells {
				cells[i] = strings.ReplaceAll(strings.TrimSpace(cells[i]), escaped, "|")
			}
			all = append(all, cells)
		}
	}
	return all
}

func row(of [][]string, first string) []string {
	for _, cells := range of {
		if cells[0] == first {
			return cells
		}
	}
	return nil
}

func TestReadmeHasEachSettingAsTheListHasIt(t *testing.T) {
	readme := rows(t, "README.md")
	for _, d := range Drivers {
		for _, s := range d.Settings {
			want := []string{"`" + s.Variable + "`", s.Default, s.About}
			if got := row(readme, want[0]); !slices.Equal(got, want) {
				t.Errorf("README.md has %q, want the row\n| %s |", got, strings.Join(want, " | "))
			}
		}
	}
}

func TestEachDriverHasItsPageAndItsPermissions(t *testing.T) {
	permissions := rows(t, "docs/acl.md")
	for _, d := range Drivers {
		about := d.Adapter.Describe()
		page := "docs/drivers/" + about.Name + ".md"
		if _, err := os.Stat(filepath.Join("..", "..", page)); err != nil {
			t.Errorf("%s: %v", about.Name, err)
		}
		if about.Source != "redis" {
			continue
		}
		var granted []string
		for _, command := range about.Commands {
			granted = append(granted, "+"+strings.ReplaceAll(strings.ToLower(command), " ", "|"))
		}
		slices.Sort(granted)
		want := "`" + strings.Join(granted, " ") + "`"
		got := row(permissions, "["+about.Name+"](drivers/"+about.Name+".md)")
		if len(got) < 3 || got[2] != want {
			t.Errorf("docs/acl.md has %q, want a row of %s with the third cell\n%s", got, about.Name, strings.ReplaceAll(want, "|", `\|`))
		}
	}
}
