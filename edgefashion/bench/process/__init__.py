"""One launch as a process: what the parent does (`launch`), what the child does (`worker`, `sampling`, `isolation`).

`trial` only opens what nothing is known about, before anything is measured.
"""
