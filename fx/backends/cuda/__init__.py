"""The CUDA backend: the kernels of the loop dialect as CUDA C++, and what runs them.

Graphs, fusion and plans of memory are those of `fx.backends` and `fx.kernel`, for the target
`fx.kernel.target.GPU`; only the last step is here. It was compiled and simulated, and has not yet
run on hardware.

codegen      kernel -> source: `maps`, `reductions`, `contraction` for loop nests, `others` for the
             rest; `writer` has what loop nests share, `source` text and how it is launched
spellings    dtypes, constants and operations in C++; `functions` those that are made from tables,
             `prelude.h` what generated text calls
program      all of that for a jaxpr, on a machine
simulated    a machine made of g++ and `simulated.h`
nvrtc        source -> code for a GPU
"""
