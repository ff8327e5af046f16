// Package network is how a request gets to its endpoint, and how one that gets no answer failed: which addresses may be
// dialled, through which proxy, with which TLS files and tokens, and over which connections. It knows nothing of events.
//
// New reads an endpoint's files and dials nobody. For each request, Acquire gives a Transport, made with the TLS files as
// they are now; release it when the answer's body is read. Its RoundTrip fails with an *Error, which says how far the
// request came, and Advice says what an operator can do about it. Tokens has the credentials that change while the program
// runs.
package network
