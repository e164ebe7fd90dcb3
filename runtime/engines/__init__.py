"""Run a bundle's graphs: one file for each device, and what they share."""
