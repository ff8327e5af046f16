// Package bolt keeps what a store holds in one file of a folder, by go.etcd.io/bbolt.
//
// Every record carries a checksum over its key and its value. An event has one record with its body, however many endpoints
// hold it; what an endpoint holds is an index of its own, and so is what becomes of shared events. Each tells enough of the
// others that one lost page costs no event that can still be read: opening walks the pages of a file that was not closed,
// and where one is bad it builds a new file of the rest and keeps the old one beside it.
package bolt
