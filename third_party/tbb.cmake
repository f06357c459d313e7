# One of the pools that qforge/threads/ has adapters for: its tests need it.
qforge_dependency(TBB TARGET TBB::tbb OPTIONAL)
