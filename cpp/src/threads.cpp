#include "nanobragg/threads.hpp"

#include <omp.h>
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include <algorithm>
#include <atomic>

namespace nanobragg {

// OpenMP's threads do not come along into a forked child, where waiting for them would never end: the child of a
// process that had some makes do with one.
int thread_count(int threads) {
    static std::atomic<bool> started{false}, orphaned{false};
#if defined(__unix__) || defined(__APPLE__)
    [[maybe_unused]] static const int watched = pthread_atfork(nullptr, nullptr, [] { orphaned = started.load(); });
#endif
    if (orphaned) return 1;
    const int processors = std::max(1, omp_get_num_procs());
    // Many more are of no use, and tens of thousands overflow the stack of the one that starts them.
    const int wanted = threads > 0 ? std::min(threads, std::max(64, 4 * processors)) : processors;
    if (wanted > 1) started = true;
    return wanted;
}

}  // namespace nanobragg
