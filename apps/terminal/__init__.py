"""What the command shows in a terminal while it works."""
