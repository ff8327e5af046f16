//go:build !race

package router

// slowness is how much longer than on the machine of the measurements something may take elsewhere, beside all that runs
// there.
const slowness = 20
