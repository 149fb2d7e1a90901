"""What Packshot costs, beside the bare minimum and beside PocketBase. Benchmarks inform, they never gate a build."""
