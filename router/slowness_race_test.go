//go:build race

package router

// slowness is that of the race detector, on a busy machine.
const slowness = 200
