//go:build !race

package simulation

const (
	checks     = 400
	processors = 1 // so that a seed tells the same story again
)
