"""Images through graphs of components: pure code, used by requests and batches alike."""
