"""Passes of backbones: where their time goes, and what small blocks save."""
