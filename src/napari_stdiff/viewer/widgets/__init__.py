"""One small file a dock."""
