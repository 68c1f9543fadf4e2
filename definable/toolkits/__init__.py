"""The way of one attempt to a product: arguments made exact, the request, the key, and what came of it."""
