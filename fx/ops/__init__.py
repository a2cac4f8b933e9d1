"""First-order primitives by family; importing the package registers all of them."""
