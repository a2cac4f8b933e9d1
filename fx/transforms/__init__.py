"""Transformations of traced programs: jvp, linearize, transpose, grad, vmap, and their kin."""
