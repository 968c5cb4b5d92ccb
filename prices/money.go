package prices

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// NanoUSD is an amount in billionths of a US dollar: fine enough for a single
// token of any model, and sums of it are exact.
type NanoUSD int64

// nano is how many of them are a dollar.
const nano = 1_000_000_000

// String is the amount in dollars, as a decimal without needless zeros.
func (n NanoUSD) String() string {
	whole, rest, sign := int64(n/nano), int64(n%nano), ""
	if n < 0 {
		whole, rest, sign = -whole, -rest, "-"
	}
	text := fmt.Sprintf("%s%d.%09d", sign, whole, rest)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// USD is the amount in dollars.
func (n NanoUSD) USD() float64 { return float64(n) / nano }

// Rate is a price in billionths of a US dollar per million tokens.
type Rate int64

// unpriced stands for a price that is not known.
const unpriced Rate = -1

// maxRate is far above any price, and low enough that no product overflows.
const maxRate = 1_000_000 * nano

// ParseRate reads a price in USD per million tokens: a decimal of up to a
// million, with up to nine places.
func ParseRate(text string) (Rate, error) {
	whole, places, pointed := strings.Cut(text, ".")
	if pointed && places == "" || len(places) > 9 {
		return 0, fmt.Errorf("%q is no price with up to nine decimal places", text)
	}
	for _, digits := range []string{whole, places} {
		if strings.Trim(digits, "0123456789") != "" {
			return 0, fmt.Errorf("%q is no price", text)
		}
	}
	n, err := strconv.ParseInt(whole+(places + "000000000")[:9], 10, 64)
	if err != nil || n > maxRate || whole == "" {
		return 0, fmt.Errorf("%q is no price of up to a million", text)
	}
	return Rate(n), nil
}

// RateOf is a price in USD per million tokens that was given as a floating-point
// number.
func RateOf(usd float64) (Rate, error) {
	if math.IsNaN(usd) || usd < 0 || usd > maxRate/nano {
		return 0, fmt.Errorf("%v is no price of up to a million", usd)
	}
	return Rate(math.Round(usd * nano)), nil
}
