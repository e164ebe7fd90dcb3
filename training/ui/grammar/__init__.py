"""What people ask of panels, and the panels that answer: requests with their canvases, drawn at random."""
