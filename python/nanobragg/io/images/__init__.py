"""Images: one module a format."""
