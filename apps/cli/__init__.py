"""The `unmask` command: one file per subcommand, named after it."""
