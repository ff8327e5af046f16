//go:build race

package simulation

const (
	checks     = 100
	processors = 2 // so that there are races to find
)
