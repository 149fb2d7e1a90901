"""`python -m packshot` is the command `packshot`."""

from packshot.cli import main

main()
