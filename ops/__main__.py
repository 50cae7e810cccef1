"""Lets ``python -m rhapsode.ops`` be the command line."""

from .cli import main

main()
