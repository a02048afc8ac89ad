"""Learning from good images, drawn products with known truth, training, export, the gate for new models, scores."""
