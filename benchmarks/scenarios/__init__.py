"""What `unmask bench` measures: steps, fills, captions, loading and long runs, each a list of cases for one runner."""
