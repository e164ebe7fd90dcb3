"""The `unmask` command and what stands behind it. Consumers of the runtime; nothing imports this package."""
