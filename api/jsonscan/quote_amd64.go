package jsonscan

import "golang.org/x/sys/cpu"

// hasBlocks is what closingQuoteBlocks needs.
var hasBlocks = cpu.X86.HasAVX2 && cpu.X86.HasBMI1

// closingQuote is closingQuoteGeneric for whole blocks at a time, where they are
// there and the processor can.
func closingQuote(data []byte, i int, controls bool) int {
	if hasBlocks && len(data)-i >= block {
		i += closingQuoteBlocks(&data[i], len(data)-i, controls)
		if i < len(data) && data[i] == '"' {
			return i
		}
	}
	return closingQuoteGeneric(data, i, controls)
}

// closingQuoteBlocks does it with n bytes from first on, of which there are 64 or
// more. Where it finds nothing, it returns how many are done with, which are all
// but the last 63 at least; the next is not escaped.
//
//go:noescape
func closingQuoteBlocks(first *byte, n int, controls bool) int
