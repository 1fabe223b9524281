"""`python -m emotone` is the `emotone` command."""

from emotone.cli import main

main()
