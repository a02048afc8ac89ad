"""Maps: surveys of games, and what they are made of."""
