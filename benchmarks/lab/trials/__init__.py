"""What users' files, folders and networks broke, each case from a public report: made again, run, and judged."""
