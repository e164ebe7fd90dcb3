"""What speech out costs, and what smaller weights change."""
