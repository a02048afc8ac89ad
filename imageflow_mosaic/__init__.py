"""Registration, placement, composition and the pyramid of tiles: pure code that imports no game, store or Dagster."""
