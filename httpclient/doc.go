// Package httpclient makes one attempt to deliver events over HTTP, and says what its answer means.
//
// An attempt goes through rooms that know nothing of each other: package format makes of the events what the request
// carries, here it is signed and compressed, package network gets it to the endpoint, and here again the answer, or the
// lack of one, becomes an outcome, with advice for the operator. Whether, and when, the events are sent again is for whoever
// calls Send.
package httpclient
