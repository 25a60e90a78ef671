"""Who spent what: `/spend` and its answer."""
