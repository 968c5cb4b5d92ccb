// The generator of the price catalog. It takes the data from the npm package
// named below, and the day on which that was published as the date, so that
// whoever runs it gets the same file. To follow the data, raise the version.
package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/caddy-plexus/plexus/prices/internal/file"
)

const (
	pkg     = "@pydantic/genai-prices"
	version = "0.1.8"
	license = "MIT, Copyright (c) Pydantic Services Inc. 2025 to present; the text is in NOTICE"
)

// The package has its data inside its code, which gives it away a provider at a
// time.
//
//go:embed read.mjs
var script []byte

func main() {
	log.SetFlags(0)
	if err := generate(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// generate writes catalog.json and NOTICE into the current directory.
func generate(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "prices")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fetch(ctx, dir); err != nil {
		return fmt.Errorf("fetching %s: %w", pkg, err)
	}
	published, err := date(ctx)
	if err != nil {
		return fmt.Errorf("asking when %s was published: %w", pkg, err)
	}
	source, err := read(ctx, dir)
	if err != nil {
		return fmt.Errorf("reading %s: %w", pkg, err)
	}
	vendors, err := normalise(source)
	if err != nil {
		return fmt.Errorf("normalising: %w", err)
	}
	data, err := file.Encode(&file.Catalog{Source: "npm package " + pkg + " " + version, License: license, Date: published, Vendors: vendors})
	if err != nil {
		return err
	}
	if err := os.WriteFile("catalog.json", data, 0o644); err != nil { //nolint:gosec // it is published
		return err
	}
	return notice(dir)
}

// fetch puts the package's data and licence into a directory.
func fetch(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", dir, pkg+"@"+version) //nolint:gosec // constants
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("npm pack: %w", err)
	}
	packed, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(packed) != 1 {
		return fmt.Errorf("npm pack left %d files", len(packed))
	}
	archive, err := os.Open(packed[0])
	if err != nil {
		return err
	}
	defer archive.Close()
	return unpack(archive, map[string]string{
		"package/dist/index.js": filepath.Join(dir, "data.mjs"),
		"package/LICENSE":       filepath.Join(dir, "LICENSE"),
	})
}

func unpack(archive io.Reader, wanted map[string]string) error {
	zipped, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	found := 0
	for r := tar.NewReader(zipped); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		to, ok := wanted[header.Name]
		if !ok {
			continue
		}
		body, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, body, 0o600); err != nil {
			return err
		}
		found++
	}
	if found != len(wanted) {
		return fmt.Errorf("the package has %d of the %d files that are wanted", found, len(wanted))
	}
	return nil
}

// date is the day on which the version was published.
func date(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "npm", "view", pkg+"@"+version, "time", "--json").Output()
	if err != nil {
		return "", fmt.Errorf("npm view: %w", err)
	}
	var times map[string]string
	if err := json.Unmarshal(out, &times); err != nil {
		return "", err
	}
	const day = len("2026-01-31")
	if len(times[version]) < day {
		return "", fmt.Errorf("there is no time of the version %s", version)
	}
	return times[version][:day], nil
}

// read gets the providers out of the package.
func read(ctx context.Context, dir string) (map[string]sourceProvider, error) {
	reader := filepath.Join(dir, "read.mjs")
	if err := os.WriteFile(reader, script, 0o600); err != nil {
		return nil, err
	}
	args := []string{reader}
	for _, v := range vendors {
		args = append(args, v.id)
	}
	cmd := exec.CommandContext(ctx, "node", args...) //nolint:gosec // our own script
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	var source map[string]sourceProvider
	return source, json.Unmarshal(out, &source)
}

func notice(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "LICENSE")) //nolint:gosec // our own directory
	if err != nil {
		return err
	}
	head := fmt.Sprintf("catalog.json is made of the data of the npm package %s %s, under these terms:\n\n", pkg, version)
	return os.WriteFile("NOTICE", append([]byte(head), text...), 0o644) //nolint:gosec // it is published
}
