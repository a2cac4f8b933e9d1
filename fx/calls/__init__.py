"""Primitives that carry a jaxpr: jit, pmap, control flow, custom derivatives."""
