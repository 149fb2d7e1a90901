"""Bitrix24's REST protocol for product images; README.md says which part of it, and where we depart."""
