"""Watches blockchain systems and the services around them."""

__version__ = "0.1.0"
