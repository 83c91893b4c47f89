"""What makes crops inside the server."""
