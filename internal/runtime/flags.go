package runtime

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
)

// parseFlags reads the command line of a program, which has set up its own flags before. It answers -h and -version, and
// refuses what is no flag: a setting would stay unused without a word.
func parseFlags(name, about string) {
	flag.Usage = func() {
		out := flag.CommandLine.Output()
		fmt.Fprintf(out, "%s %s.\nIts settings are environment variables, such as PULSE_REDIS_URL: README.md has them all.\n\n", name, about)
		flag.PrintDefaults()
	}
	version := flag.Bool("version", false, "print the version, and end")
	flag.Parse()
	switch {
	case *version:
		fmt.Println(name, Version())
		os.Exit(0)
	case flag.NArg() > 0:
		fmt.Fprintf(os.Stderr, "%s: it takes no argument such as %q: its settings are environment variables (-h)\n", name, flag.Arg(0))
		os.Exit(2)
	}
}

// Version is the program's: its module's, or what go build makes of the commit.
var Version = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
})
