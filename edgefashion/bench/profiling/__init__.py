"""Where the time of a call goes: operators, ceilings measured on the spot, and what bounds the model."""
