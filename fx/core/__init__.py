"""The core: types, primitives, the IR, the tracer and its interpreter."""
