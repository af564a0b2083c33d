"""`python -m detect.cli` is the command `witnessmark`."""

from detect.cli import main

main()
