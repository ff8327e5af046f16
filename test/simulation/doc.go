// Package simulation attacks the router with random scenarios in virtual time, and compares all that it does with a
// second reading of the rules of behaviour. README.md says how to run it, and what it has been seen to find.
package simulation
