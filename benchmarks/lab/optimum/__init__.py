"""Optimum beside this project: what it exports, runs and quantizes, by trial (`docs/optimum.md`)."""
