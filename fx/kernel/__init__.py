"""The loop dialect: what a program is between the IR and the code generators.

`graph` says what a primitive may lower to (maps, views, reductions, opaque calls), `fuse` groups
these into kernels, `loops` gives a kernel its loop nest. Code generators read `loops.Kernel` only.
"""
