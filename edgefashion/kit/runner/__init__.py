"""What runs on the device: this package, under the name `edgefashion_kit`, with nothing but numpy and one runtime.

It is packed together with those files of edgefashion that measure and look at the machine (`kit.package`), so that a
device measures by the same code as everything else.
"""
