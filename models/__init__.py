"""The shipped bundles, as package data; each folder has its model card."""
