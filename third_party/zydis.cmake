# The tests decode every emitted kernel with it.
qforge_dependency(zydis TARGET Zydis::Zydis VERSION 4.0 DEBIAN libzydis-dev)
