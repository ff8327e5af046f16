// Package store keeps what outlives the process: the events that endpoints hold, and those that were given up, as dead
// letters.
//
// It knows no actor. Letters says what is asked of who keeps dead letters: MemoryLetters keeps the latest in memory.
// Replay and Delete work on any of them.
package store
