// Package bridge relays one WebSocket to one native server connection.
//
// It knows nothing of what it carries. Clients name a target; the operator
// says what the name stands for, and nothing that a client sends becomes an
// address. What the bytes are, and whether they are encrypted, is between the
// client and the server.
package bridge
