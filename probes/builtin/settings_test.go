package builtin

import (
	"strings"
	"testing"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// TestAnAdapterTakesTheSettingsOfItsDriverAndNoOther: a setting that is misspelled would have no effect.
func TestAnAdapterTakesTheSettingsOfItsDriverAndNoOther(t *testing.T) {
	t.Parallel()
	for _, d := range Drivers {
		name := d.Adapter.Describe().Name
		settings := adapter.Settings{"app": "shop", "source": "redis"}
		var own []string
		for _, s := range d.Settings {
			own = append(own, s.Name)
			settings[s.Name] = "1" // a name, a prefix and a number
		}
		s, err := d.Adapter.Open(t.Context(), settings)
		if err != nil {
			t.Errorf("%s doesn't take its own settings: %v", name, err)
			continue
		}
		_ = s.Close()
		settings["misspelled"] = "" // not set
		if s, err = d.Adapter.Open(t.Context(), settings); err != nil {
			t.Errorf("%s refuses a setting that is not set: %v", name, err)
			continue
		}
		_ = s.Close()
		settings["misspelled"] = "sesame"
		want := name + ` has no setting "misspelled": it takes ` + strings.Join(own, ", ")
		if _, err := d.Adapter.Open(t.Context(), settings); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
