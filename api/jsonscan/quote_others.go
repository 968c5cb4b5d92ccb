//go:build !amd64

package jsonscan

func closingQuote(data []byte, i int, controls bool) int {
	return closingQuoteGeneric(data, i, controls)
}
