"""The server: HTTP, content-addressed assets, batching; engines make the crops."""
