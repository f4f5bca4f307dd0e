"""A kit for a device: a proven model, its golden pictures, and a runner that needs numpy and one runtime.

files = kit.build(artifact)     # every file by name, kit.json last
kit.write_folder(files, Path("edge-kit"))
"""

from edgefashion.kit.build import build, name_of
from edgefashion.kit.choose import choose
from edgefashion.kit.results import beside_host, load_results
from edgefashion.kit.writing import write_folder, write_zip

__all__ = ["beside_host", "build", "choose", "load_results", "name_of", "write_folder", "write_zip"]
