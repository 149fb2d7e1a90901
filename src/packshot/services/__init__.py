"""Use cases: one function each, around one transaction. Rules live here and in the domain."""
