"""Routes: what goes over HTTP, and nothing more. Each module has ``handlers(service)``."""
