"""Compiled functions on arrays. Nothing here imports from the rest of penchant."""
