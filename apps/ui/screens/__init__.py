"""Where a panel shows besides a renderer of A2UI: as text, as objects of openHASP, as a picture."""
