"""Values and rules: what a product, an image and an original are. No input, no output, no clock."""
