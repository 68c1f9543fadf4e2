"""The service: one app with the HTTP API, the chat page, and the doors for other clients and agents."""
