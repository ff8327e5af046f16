// Package format makes of events what one request carries of them: events in; method, URL, header and body out. It knows
// nothing of connections, credentials or answers, and neither clock nor chance: the same events give the same bytes at each
// attempt.
//
// New compiles an endpoint's format, its template and the templates of its request section, and tries them on samples of
// the events that the endpoint takes. The Format that it returns is called with the events of each request.
package format
