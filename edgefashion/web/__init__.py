"""The page of `export --format web`: one HTML file with a model, the runtime that computes it, and nothing to fetch.

python -m edgefashion.web.build          # once, with npm: fetches the pinned onnxruntime-web and packs it
page = web.assemble(model, web.find_bundle())
"""

from edgefashion.web.assemble import MAX_PAGE_BYTES, assemble
from edgefashion.web.bundle import Bundle, bundle_path, find_bundle

__all__ = ["MAX_PAGE_BYTES", "Bundle", "assemble", "bundle_path", "find_bundle"]
