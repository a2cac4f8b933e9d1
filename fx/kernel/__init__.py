"""The loop dialect: what a program is between the IR and the code generators.

`graph` says what a primitive may lower to (maps, views, reductions, contractions, loops, opaque
calls), `vocabulary` and `views` what maps and views may be, `products` how contractions are laid
out. `fuse` groups nodes into kernels, `loops` gives a kernel its loop nest; `prefixes`,
`scatters` and `sorts` are kernels of their own. Code generators read these only. `target` says what
depends on the machine.
"""
