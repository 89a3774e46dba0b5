"""The shop's own package."""
