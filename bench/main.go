// Command bench measures Plexus beside Caddy's reverse_proxy and the standard
// library's, behind the same load and before the same provider, and prints what
// it finds as Markdown:
//
//	go -C bench run .
//
// Everything runs on this machine, each in a process of its own: the subjects,
// the provider, and the generator, which is this one. The CPU is that of the
// subject alone, by the operating system.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if args := os.Args[1:]; len(args) == 5 && args[0] == roleProvider || len(args) == 3 && args[0] == roleProxy {
		exit(serve(args))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type options struct {
	sizes
	works    string
	force    bool
	profiles string
}

func parseOptions(args []string, usage io.Writer) (*options, error) {
	o := &options{sizes: allSizes()}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&o.works, "works", "", "the works to do, or patterns of them such as small-*, separated by commas; all of them by default")
	flags.IntVar(&o.rounds, "rounds", 5, "the rounds of each work")
	flags.DurationVar(&o.length, "for", 2*time.Second, "how long a subject works in a round")
	flags.IntVar(&o.rate, "rate", 1000, "requests a second in the open loop")
	flags.BoolVar(&o.force, "force", false, "measure although the machine is busy")
	flags.StringVar(&o.profiles, "profile", "", "a folder for profiles of CPU and allocations of each work's Caddy lanes, of rounds that are not measured")
	short := flags.Bool("short", false, "little of everything, to see that it works; the figures mean nothing")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if *short {
		o.sizes, o.force = smallSizes(), true
	}
	if o.rounds < 1 || o.length <= 0 || o.rate < 1 || flags.NArg() > 0 {
		return nil, fmt.Errorf("expected flags only, at least one round, a length and a rate above 0; got %q", args)
	}
	return o, nil
}

func bench(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parseOptions(args, progress)
	if err != nil {
		return err
	}
	chosen, load, err := o.choose()
	if err != nil {
		return err
	}
	if err := o.checkLoad(progress); err != nil {
		return err
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o750); err != nil {
			return err
		}
	}
	l, err := newLab(ctx, o.profiles)
	if err != nil {
		return err
	}
	defer l.close()
	_, _ = fmt.Fprint(out, heading(args, time.Now()), tableHead)
	for _, w := range chosen {
		samples, err := measure(ctx, l, w, &o.sizes, progress)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprint(out, rows(w, samples))
	}
	if load {
		samples, err := l.loads(ctx, &o.sizes, progress)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprint(out, loadRow(&o.sizes, samples))
	}
	return nil
}

// choose finds the works that are named, in the order of the table.
func (o *options) choose() (chosen []*work, load bool, err error) {
	all, err := works(&o.sizes)
	if err != nil || o.works == "" {
		return all, true, err
	}
	known := append(names(all), loadWork)
	var wanted []string
	for pattern := range strings.SplitSeq(o.works, ",") {
		found := matching(known, pattern)
		if len(found) == 0 {
			return nil, false, fmt.Errorf("there is no work %q; there are %s", pattern, strings.Join(known, ", "))
		}
		wanted = append(wanted, found...)
	}
	all = slices.DeleteFunc(all, func(w *work) bool { return !slices.Contains(wanted, w.name) })
	return all, slices.Contains(wanted, loadWork), nil
}

// matching are the names that a pattern such as small-* means.
func matching(names []string, pattern string) []string {
	var found []string
	for _, name := range names {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			found = append(found, name)
		}
	}
	return found
}

func names(all []*work) []string {
	var out []string
	for _, w := range all {
		out = append(out, w.name)
	}
	return out
}

// checkLoad refuses to measure what something else would disturb.
func (o *options) checkLoad(progress io.Writer) error {
	load, known := loadOf()
	if limit := float64(runtime.NumCPU()) / 4; known && load > limit {
		if !o.force {
			return fmt.Errorf("the machine is busy: its load is %.1f, and figures are good below %.1f; wait a minute, or add -force", load, limit)
		}
		_, _ = fmt.Fprintf(progress, "the machine is busy, its load is %.1f: ratios may hold, other figures do not\n", load)
	}
	return nil
}

// heading says what the figures are those of.
func heading(args []string, now time.Time) string {
	command := strings.TrimSpace("go -C bench run . " + strings.Join(args, " "))
	load, _ := loadOf()
	return fmt.Sprintf("`%s`, %s, %d × %s, %s/%s, %s, load before %.1f; medians of rounds, and of ratios their range.\n\n",
		command, now.UTC().Format("2006-01-02"), runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}
