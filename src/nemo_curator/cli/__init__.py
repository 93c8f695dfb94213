"""The command `imagecurator`, one subcommand a file."""
