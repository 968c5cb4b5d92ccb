package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// The operating system's account of a process. On Linux it comes from /proc,
// in hundredths of a second; elsewhere from ps, which knows no peak.

// ticks is USER_HZ, which is 100 on every architecture that Go runs on.
const ticks = 100

// cpuOf is the user and system time that a process has used.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		out, err := ps(pid, "time")
		if err != nil {
			return 0, err
		}
		return parseClock(out)
	}
	if err != nil {
		return 0, err
	}
	return parseStat(stat)
}

// parseStat reads utime and stime, the fields 14 and 15. The command's name may
// have spaces and parentheses in it.
func parseStat(stat []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[end+1:])
	if end < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("reading the process's times: %q is too short", stat)
	}
	var sum int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the process's times: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// parseClock reads [[days-]hours:]minutes:seconds[.fraction].
func parseClock(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	days, clock, found := strings.Cut(text, "-")
	if !found {
		days, clock = "0", text
	}
	n, err := strconv.Atoi(days)
	total := float64(n) * 24 * 60 * 60
	unit := 1.0
	parts := strings.Split(clock, ":")
	for i := len(parts) - 1; i >= 0 && err == nil; i-- {
		var v float64
		v, err = strconv.ParseFloat(parts[i], 64)
		total += v * unit
		unit *= 60
	}
	if err != nil {
		return 0, fmt.Errorf("reading the time %q: %w", text, err)
	}
	return time.Duration(total * float64(time.Second)), nil
}

// memory is what a process has resident, in bytes; peak is 0 where it is not
// known.
type memory struct{ now, peak int64 }

func memoryOf(pid int) (memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, os.ErrNotExist) {
		out, err := ps(pid, "rss")
		if err != nil {
			return memory{}, err
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
		return memory{now: kib << 10}, err
	}
	if err != nil {
		return memory{}, err
	}
	return memory{now: parseStatus(status, "VmRSS"), peak: parseStatus(status, "VmHWM")}, nil
}

func parseStatus(status []byte, member string) int64 {
	for line := range bytes.Lines(status) {
		if name, value, _ := bytes.Cut(line, []byte(":")); string(name) == member {
			kib, _ := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(value), []byte(" kB"))), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// forgetPeak makes the peak that of the time from now on, where that can be.
func forgetPeak(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) // elsewhere the peak stays the process's
}

func ps(pid int, column string) (string, error) {
	out, err := exec.Command("ps", "-o", column+"=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec,noctx // a number and a constant; it ends at once
	if err != nil {
		return "", fmt.Errorf("asking ps for the %s of %d: %w", column, pid, err)
	}
	return string(out), nil
}

// loadOf is the load average of the last minute; ok is false where nothing
// tells it.
func loadOf() (load float64, ok bool) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err = strconv.ParseFloat(first, 64)
	return load, err == nil
}

// processor is the name of the machine's.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // else it stays unnamed
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
