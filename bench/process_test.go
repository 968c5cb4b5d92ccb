package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseStat(t *testing.T) {
	f := func(stat string, want time.Duration) {
		t.Helper()
		got, err := parseStat([]byte(stat))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	const rest = " S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 9 0 100 200 300"
	f("42 (caddy)"+rest, 1750*time.Millisecond)
	f("42 (a b) (c)"+rest, 1750*time.Millisecond)

	bad := func(stat string) {
		t.Helper()
		_, err := parseStat([]byte(stat))
		require.ErrorContains(t, err, "reading the process's times")
	}
	bad("")
	bad("42 (caddy) S 1 2")
	bad("42 (caddy) S 1 2 3 4 5 6 7 8 9 10 x 25")
}

func TestParseClock(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		got, err := parseClock(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("  0:01.23\n", 1230*time.Millisecond)
	f("00:02:03", 2*time.Minute+3*time.Second)
	f("1-00:00:01", 24*time.Hour+time.Second)
	_, err := parseClock("x:1")
	require.ErrorContains(t, err, "x:1")
	_, err = parseClock("")
	require.Error(t, err)
}

func TestParseStatus(t *testing.T) {
	const status = "Name:\tcaddy\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n"
	require.EqualValues(t, 2<<20, parseStatus([]byte(status), "VmHWM"))
	require.EqualValues(t, 1<<20, parseStatus([]byte(status), "VmRSS"))
	require.Zero(t, parseStatus([]byte(status), "VmSwap"))
}

func TestThisProcessHasMemory(t *testing.T) {
	m, err := memoryOf(os.Getpid())
	require.NoError(t, err)
	require.Positive(t, m.now)
	_, err = cpuOf(os.Getpid())
	require.NoError(t, err)
}
