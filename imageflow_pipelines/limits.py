"""What a pipeline may ask for at most. Every bound that protects memory and time stands here."""

MAX_SPEC_CHARS = 1_000_000
MAX_SPEC_DEPTH = 32
MAX_STEPS = 200
MAX_EDGES = 1_000

MAX_ENCODED_BYTES = 64 * 2**20
"""One source picture, encoded."""

MAX_PICTURE_PX = 80_000_000
"""One picture, decoded: twice an 8K screen."""

MAX_SIDE_PX = 30_000

MAX_HELD_BYTES = 2 * 2**30
"""All values of one run that a later step still needs, together."""

MAX_FOUND = 10_000
"""Things found in one picture by one step."""

ISOLATE_FROM_S = 1.0
"""Steps that are expected to take longer run in a process that can be killed: half of the two seconds within which a
cancelled step must have stopped."""
