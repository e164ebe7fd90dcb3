"""The `unmask` command and its applications. They use the runtime; nothing imports this package."""
