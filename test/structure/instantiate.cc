// Templates of the public header that is included in front of this, and of what that includes: some
// of what is wrong with them compilers only see here.
#ifdef QFORGE_THREADS_EXECUTOR_H_
#include <functional>

template class qforge::ExecutorAdapter<void (*)(std::function<void()>)>;
#endif

#ifdef QFORGE_STATUS_H_
#include <string>

template class qforge::Result<std::string>;
#endif
