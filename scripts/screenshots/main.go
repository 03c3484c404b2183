// Command screenshots takes the README's pictures of the dashboard anew: it runs build/pulse-local with its demo queues,
// and looks at the page with headless Chromium. `make screenshots` builds that and runs this.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const (
	program = "build/pulse-local"
	timeout = time.Minute // bounds all of it: a page that never shows what is waited for is a fault
)

// picture is one file. It is taken once there is something of each selector to be seen.
type picture struct {
	file          string
	width, height int64
	touch         bool
	scheme        string
	fragment      string
	shows         []string
}

var pictures = []picture{
	{"docs/page.png", 1440, 900, false, "light", "#open=queue:demo/sqs/orders", []string{"[data-chart=waiting] canvas", "[data-chart=delayed] canvas"}},
	{"docs/page-narrow.png", 390, 844, true, "dark", "", []string{`[data-queue="demo/sqs/orders"]`}},
}

func main() {
	ctx, end := context.WithTimeout(context.Background(), timeout)
	err := run(ctx)
	end()
	if err != nil {
		fmt.Fprintf(os.Stderr, "screenshots: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	local := exec.CommandContext(ctx, program)
	page, err := begin(local)
	if err != nil {
		return err
	}
	defer func() { _, _ = local.Process.Kill(), local.Wait() }()
	browser, cancel := chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true)))
	defer cancel()
	if err := chromedp.Do(browser); err != nil {
		return fmt.Errorf("start Chromium: %w", err)
	}
	for _, p := range pictures {
		if err := p.photograph(browser, page); err != nil {
			return fmt.Errorf("take %s: %w", p.file, err)
		}
	}
	return chromedp.Cancel(browser)
}

// begin starts pulse-local on a free port, and returns the page's address, which it logs.
func begin(local *exec.Cmd) (string, error) {
	local.Env = []string{"PULSE_LISTEN=127.0.0.1:0"} // the user's own settings would show their own queues
	log, err := local.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := local.Start(); err != nil {
		return "", fmt.Errorf("start pulse-local (make build): %w", err)
	}
	address := regexp.MustCompile(`the dashboard is at (http://\S+/)`)
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, log) }() // a pipe that nobody reads would stop it
			return found[1], nil
		}
	}
	return "", fmt.Errorf("pulse-local ended before it served the page: %w", local.Wait())
}

func (p picture) photograph(browser context.Context, page string) error {
	tab, cancel := chromedp.NewContext(browser)
	defer cancel()
	device := []chromedp.EmulateViewportOption{chromedp.EmulateMobile} // its scrollbars take no room
	if p.touch {
		device = append(device, chromedp.EmulateTouch)
	}
	steps := []chromedp.Action[chromedp.Void]{chromedp.EmulateViewport(p.width, p.height, device...), prefers(p.scheme), chromedp.Navigate(page + p.fragment)}
	for _, selector := range append(p.shows, "#live-state[data-state=live]", "#attention [data-trouble]") {
		steps = append(steps, chromedp.WaitVisible(selector))
	}
	if err := chromedp.Do(tab, steps...); err != nil {
		return err
	}
	png, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(p.file, png, 0o644)
}

// prefers makes the page believe that the reader's system is "light" or "dark".
func prefers(scheme string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return none, err
	}
}
