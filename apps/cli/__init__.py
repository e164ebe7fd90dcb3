"""The unmask command, one file a subcommand."""
