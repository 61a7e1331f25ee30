// How many threads a piece of work may have.
#pragma once

namespace nanobragg {

// Threads that `threads` stands for (0: one for each processor this process may use; never more than 64 or four for
// each processor); one in a forked child of a process that had several.
int thread_count(int threads);

}  // namespace nanobragg
