"""Other systems in the same run: `unmask bench peers`."""
