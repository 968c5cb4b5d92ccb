// Package pairs holds no code: its tests try the codecs of the wire formats
// against each other, every client's format with every target's.
package pairs
