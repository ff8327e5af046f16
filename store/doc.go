// Package store keeps what outlives the process: the events that were given up, as dead letters.
//
// It knows no actor. DeadLetters keeps letters one by one, in files or in memory, lists them, and offers their events to
// their endpoints again; a letter whose replay has ended is closed by a record of its own.
package store
