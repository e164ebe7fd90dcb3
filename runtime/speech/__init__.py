"""Speech to text: whole recordings and live streams."""
