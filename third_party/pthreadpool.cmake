# The ready-made thread pool.
if(pthreadpool_option STREQUAL "AUTO")
  qforge_dependency(pthreadpool TARGET pthreadpool::pthreadpool MODULE OPTIONAL)
elseif(QFORGE_PTHREADPOOL)
  qforge_dependency(pthreadpool TARGET pthreadpool::pthreadpool MODULE DEBIAN libpthreadpool-dev)
endif()

set(QFORGE_HAVE_PTHREADPOOL OFF)
if(QFORGE_PTHREADPOOL AND TARGET pthreadpool::pthreadpool)
  set(QFORGE_HAVE_PTHREADPOOL ON)
endif()
