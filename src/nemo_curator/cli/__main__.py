"""`python -m nemo_curator.cli`: the command without its script."""

from nemo_curator.cli.app import main

main()
