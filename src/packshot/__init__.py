"""Packshot: a self-hosted product-image service that speaks two existing protocols over one store."""

__version__ = "0.1.0"
