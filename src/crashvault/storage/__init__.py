"""The only package that knows SQL: repositories, the drivers beneath them, blobs and the codec."""
