package jsonscan

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// byteByByte is what closingQuote is, said as plainly as can be.
func byteByByte(data []byte, i int, controls bool) int {
	for escaped := false; i < len(data); i++ {
		switch b := data[i]; {
		case controls && b < ' ':
			return i
		case escaped:
			escaped = false
		case b == '\\':
			escaped = true
		case b == '"':
			return i
		}
	}
	return len(data)
}

func requireSameQuote(t *testing.T, data []byte, i int) {
	t.Helper()
	for _, controls := range []bool{false, true} {
		want := byteByByte(data, i, controls)
		require.Equal(t, want, closingQuote(data, i, controls), "%q from %d, controls %t", data, i, controls)
		require.Equal(t, want, closingQuoteGeneric(data, i, controls), "%q from %d, controls %t", data, i, controls)
	}
}

// Runs of backslashes of every length, at every place of a block and across the
// ends of blocks, before all that may follow.
func TestClosingQuote(t *testing.T) {
	for _, at := range []int{0, 1, 2, 30, 31, 32, 33, 60, 61, 62, 63, 64, 65, 100, 126, 127, 128, 190, 8190, 8191, 8192} {
		for run := range 70 {
			for _, next := range []string{``, `"`, `\`, "\n", "\x00", "\x1f", "\x20", "\x7f", "\x80", "\xff", `x"`, `"x\"`} {
				text := strings.Repeat("x", at) + strings.Repeat(`\`, run) + next
				requireSameQuote(t, []byte(text), 0)
				requireSameQuote(t, []byte(`"`+text+strings.Repeat(`z\"`, 50)+`"`), 1)
			}
		}
	}
}

func FuzzClosingQuote(f *testing.F) {
	f.Add(strings.Repeat(`\`, 65)+`"`, 1)
	f.Add(strings.Repeat(`say \"no\" and\n`, 9)+`", `, 2)
	f.Add(strings.Repeat("ü\t", 40), 3)
	f.Fuzz(func(t *testing.T, text string, times int) {
		data := []byte(strings.Repeat(text, min(max(times, 1), 200)))
		requireSameQuote(t, data, min(1, len(data)))
	})
}
