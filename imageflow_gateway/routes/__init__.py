"""One file a noun; each offers a `router`."""
