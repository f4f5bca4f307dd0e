"""What the C export is made of: the graph as a C generator wants it, its code, and the files beside it."""
