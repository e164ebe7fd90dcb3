"""The `unmask` command: one file per subcommand, named after it, in a folder for each kind of them."""
