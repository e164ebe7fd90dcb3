"""What a task takes and gives as files: pictures, sound, and codes as numbers."""
