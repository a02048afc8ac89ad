"""Pictures through graphs of components: pure code, shared by whoever answers at once and whoever runs batches."""
