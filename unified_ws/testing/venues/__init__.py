"""Server sides of venues: one module each, named after the venue's id, with its class in `SIDE`."""
