"""Registration, placement, composition and the pyramid of tiles: pure code that knows no game, store or Dagster."""
