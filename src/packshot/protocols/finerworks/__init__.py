"""FinerWorks' v3 protocol; README.md says which part of it, and where we depart."""
