package jsonscan

import "golang.org/x/sys/cpu"

// closingQuote is closingQuoteGeneric for whole blocks at a time, where they are
// there and the processor can.
func closingQuote(data []byte, i int, controls bool) int {
	if !cpu.X86.HasAVX2 || len(data)-i < block {
		return closingQuoteGeneric(data, i, controls)
	}
	var mask uint64
	if controls {
		mask = ^mask
	}
	whole := (len(data) - i) &^ (block - 1)
	at, escaped := closingQuoteBlocks(&data[i], whole, mask)
	if i += at; at < whole || i == len(data) {
		return i
	}
	if escaped {
		if controls && data[i] < ' ' {
			return i
		}
		i++
	}
	return closingQuoteGeneric(data, i, controls)
}

// closingQuoteBlocks does it with n bytes from first on, a multiple of 64. Controls
// is all ones where control characters are looked for, else 0. Where it finds
// nothing, it returns n, and whether a backslash escapes the byte that follows.
//
//go:noescape
func closingQuoteBlocks(first *byte, n int, controls uint64) (at int, escaped bool)
