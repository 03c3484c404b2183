package wasmhost

import (
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// TestWASIIsAsWazeroHasIt compares the functions and their types with wazero's own, which has sockets, too.
func TestWASIIsAsWazeroHasIt(t *testing.T) {
	t.Parallel()
	functions := func(instantiate func(wazero.Runtime) error) map[string]api.FunctionDefinition {
		r := wazero.NewRuntime(t.Context())
		t.Cleanup(func() { _ = r.Close(t.Context()) })
		if err := instantiate(r); err != nil {
			t.Fatal(err)
		}
		return r.Module(WASI).ExportedFunctionDefinitions()
	}
	ours := functions(func(r wazero.Runtime) error { return makeWASI(t.Context(), r, true) })
	theirs := functions(func(r wazero.Runtime) error {
		_, err := wasi_snapshot_preview1.Instantiate(t.Context(), r)
		return err
	})
	for name, want := range theirs {
		got := ours[name]
		if strings.HasPrefix(name, "sock_") {
			if got != nil {
				t.Errorf("%s is there", name)
			}
			continue
		}
		if got == nil || !slices.Equal(got.ParamTypes(), want.ParamTypes()) || !slices.Equal(got.ResultTypes(), want.ResultTypes()) {
			t.Errorf("%s is not as wazero has it: %v → %v", name, want.ParamTypes(), want.ResultTypes())
		}
	}
	for name := range ours {
		if theirs[name] == nil {
			t.Errorf("%s is none of WASI's", name)
		}
	}
}
