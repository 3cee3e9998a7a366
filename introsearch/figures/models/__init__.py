"""The figure of one trained model."""
