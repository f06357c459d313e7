# Emits every kernel, and knows CPU features that cpuinfo does not.
qforge_dependency(xbyak TARGET xbyak::xbyak VERSION 6.68 DEBIAN libxbyak-dev)
