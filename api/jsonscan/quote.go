package jsonscan

import "bytes"

// closingQuoteGeneric is where the quote stands that closes the string whose
// inside begins at i; or, where controls are looked for, a control character before
// it; or the end of data. A quote closes unless an odd number of backslashes stands
// before it. Large bodies are mostly strings, so amd64 has it in assembly too.
func closingQuoteGeneric(data []byte, i int, controls bool) int {
	// Control characters are looked for while the part is in the processor's
	// cache: a picture of megabytes is to be fetched from memory only once.
	const part = 8 << 10
	for start := i; i < len(data); {
		text := data[i:min(i+part, len(data))]
		n := bytes.IndexByte(text, '"')
		if n >= 0 {
			text = text[:n]
		}
		if controls && hasControl(text) {
			return i + bytes.IndexFunc(text, func(r rune) bool { return r < ' ' })
		}
		if i += len(text); n < 0 {
			continue
		}
		// Each run of backslashes is counted once, so this stays linear.
		backslashes := 0
		for k := i - 1; k >= start && data[k] == '\\'; k-- {
			backslashes++
		}
		if backslashes%2 == 0 {
			return i
		}
		i++
	}
	return len(data)
}
