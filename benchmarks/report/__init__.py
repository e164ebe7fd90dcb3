"""What `unmask bench` reports: figures that follow from samples, as JSON, Markdown, HTML and pictures."""
