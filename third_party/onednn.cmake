# A peer that gemm_bench measures in the same run, where it is installed.
qforge_dependency(dnnl TARGET DNNL::dnnl OPTIONAL)
