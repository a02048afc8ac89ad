"""What all protocols share: who may call, how much a client may send, how errors are answered."""
