"""Runtimes that run no model: a plug-in for tests, whose modules each do one thing right or wrong in a call."""
