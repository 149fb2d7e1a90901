"""What makes a server a good partner in tests: faults on demand, and a record of what was called."""
