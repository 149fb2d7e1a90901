"""Stored bytes on their way out: ranges, validators, caching and the headers that keep them harmless."""
