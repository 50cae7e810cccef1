"""Lets ``python -m rhapsode.ops`` be the command line."""

from .cli.app import main

main()
