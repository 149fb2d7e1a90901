"""Rows and bytes: the only floor that speaks SQL and touches files."""
