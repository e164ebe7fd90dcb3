"""What `unmask bench` says: figures that follow from samples, JSON, Markdown, pictures, comparisons and the documentation."""
