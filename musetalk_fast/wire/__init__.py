"""The protocol as bytes <-> messages; no sockets, no clock."""
