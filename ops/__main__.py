"""Lets ``python -m rhapsode.ops`` be the command line."""

from .cli.entry import main

main()
