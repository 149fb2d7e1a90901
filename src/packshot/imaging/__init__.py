"""Everything that looks into pictures. Here only headers are read; pixels are never decoded in this process."""
