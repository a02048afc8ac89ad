"""Models and how one comes to trust them: drawn pictures with known truth, training, export, the gate, scores."""
