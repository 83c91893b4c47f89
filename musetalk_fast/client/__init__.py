"""Sockets: one server, uploads, streams."""
