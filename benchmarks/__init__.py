"""What `unmask bench`, `unmask compare` and `unmask tune` run."""
