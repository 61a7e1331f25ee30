// Where a process spends its time: between start and stop, the program counter is kept at every tick of the process's
// CPU time. For one thread at a time; loaded by profile.py.
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <ucontext.h>

#if !defined(__linux__) || !(defined(__x86_64__) || defined(__aarch64__))
#error "found neither x86-64 nor AArch64 with Linux, expected one of them"
#endif

namespace {

constexpr size_t kMost = 1 << 20;
uintptr_t samples[kMost];
volatile size_t taken = 0;

void keep(int, siginfo_t*, void* context) {
    const size_t at = taken;
    if (at == kMost) return;
    const mcontext_t& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
    samples[at] = static_cast<uintptr_t>(machine.gregs[REG_RIP]);
#else
    samples[at] = static_cast<uintptr_t>(machine.pc);
#endif
    taken = at + 1;
}

bool every(long microseconds) {
    itimerval timer{};
    timer.it_interval.tv_usec = timer.it_value.tv_usec = microseconds;
    return setitimer(ITIMER_PROF, &timer, nullptr) == 0;
}

}  // namespace

// Goes on with the samples that there are. False: the system refuses.
extern "C" bool sampler_start(long microseconds) {
    struct sigaction action{};
    action.sa_sigaction = keep;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    return sigaction(SIGPROF, &action, nullptr) == 0 && every(microseconds);
}

// The number of samples so far, which are then in `out`.
extern "C" size_t sampler_stop(const uintptr_t** out) {
    every(0);
    *out = samples;
    return taken;
}
