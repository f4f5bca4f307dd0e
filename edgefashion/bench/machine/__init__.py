"""The machine under the measurement: its counters, a canary, its energy, and how far it let itself be measured."""
