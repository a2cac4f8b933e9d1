"""Where programs run: one folder a backend, and what compilers have in common.

lowering   jaxpr -> graph, calls inlined, loops and branches with graphs of their own
plan       graph -> runs of kernels and loops over slots of memory (`fx.kernel` makes kernels)
donation   results that take the memory of arguments
planned    all of these for a jaxpr
rules      the steps of a plan that are no runs: NumPy's rules
cache      compiled code on disk
"""
