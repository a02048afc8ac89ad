"""What every protocol of the edge shares: who may call, how large calls are, and how errors are answered."""
