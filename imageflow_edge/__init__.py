"""What all protocols share: admission, size limits, error answers, readiness, the event hub."""
