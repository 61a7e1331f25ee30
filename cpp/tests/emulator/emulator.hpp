// An emulator of a GPU: what translate_ptx.py makes of kernels is written in these words. Every access to global,
// shared and local memory is checked, as compute-sanitizer does on a GPU: it lies in an allocation of its device, is
// aligned, reads what was written before, and meets no other thread's between two barriers (shared memory) or in one
// launch (global memory).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace emulator {

// What the kernel at work did wrong; ends its launch.
class Fault : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class Memory;
class Local;

// One thread of a kernel.
struct Thread {
    std::uint32_t index, size, block_x, block_y, blocks_x, blocks_y;
    std::uint32_t line;  // line of the PTX that it is at
    std::uint32_t who;   // number among all threads of the launch, from 1
    Memory* shared;      // shared memory of its block
    Memory* recent;      // global memory that it used last, or null
    Local* locals;       // locals of its function, which knows those of the functions that called it
};

[[noreturn]] void fault(const Thread& thread, const std::string& what);
[[noreturn]] void unknown_instruction(const Thread& thread, const char* name);
void barrier(Thread& thread);

inline void check_aligned(const Thread& thread, std::uint64_t address, std::size_t to) {
    if (address % to != 0) fault(thread, "an access that is not aligned");
}

// Bytes at addresses that mean nothing to the host, so that the host cannot use them by mistake.
class Memory {
  public:
    Memory(std::uint64_t address, std::size_t size, int device = -1)
        : address_(address), bytes_(size, kPoison), written_(size), words_(size / 4 + 1), device_(device) {}

    std::uint64_t address() const { return address_; }
    int device() const { return device_; }  // -1: that of its thread
    std::size_t size() const { return bytes_.size(); }
    bool holds(std::uint64_t address, std::size_t size) const {
        return address >= address_ && address - address_ <= bytes_.size() &&
               size <= bytes_.size() - (address - address_);
    }

    // `constant`: as memory that nobody writes in this launch.
    template <class T>
    T load(const Thread& thread, std::uint64_t address, std::uint32_t now, bool constant = false) {
        const std::size_t at = place(thread, address, sizeof(T), "load");
        if (!written<T>(at)) fault(thread, "a load of what was never written");
        for (std::size_t i = at / 4; i <= (at + sizeof(T) - 1) / 4; ++i) {
            Word& word = words_[i];
            if (constant && word.written.when == now)
                fault(thread, "a load of what was just written, as of a constant");
            if (word.written.by_another(thread.who, now)) fault(thread, "a load of what another thread just wrote");
            const bool alone = !constant && (word.read.when != now || word.read.who == thread.who);
            word.read = {now, alone ? thread.who : kSeveral};
        }
        T value;
        std::memcpy(&value, bytes_.data() + at, sizeof value);
        return value;
    }

    template <class T>
    void store(const Thread& thread, std::uint64_t address, T value, std::uint32_t now) {
        const std::size_t at = place(thread, address, sizeof(T), "store");
        for (std::size_t i = at / 4; i <= (at + sizeof(T) - 1) / 4; ++i) {
            Word& word = words_[i];
            if (word.written.by_another(thread.who, now)) fault(thread, "a store to what another thread just wrote");
            if (word.read.by_another(thread.who, now)) fault(thread, "a store to what another thread just read");
            word.written = {now, thread.who};
        }
        std::memset(written_.data() + at, 1, sizeof value);
        std::memcpy(bytes_.data() + at, &value, sizeof value);
    }

    // Adds in one step, as other threads may do at the same time, who neither load nor store. What was there before.
    template <class T>
    T add(const Thread& thread, std::uint64_t address, T value, std::uint32_t now) {
        const std::size_t at = place(thread, address, sizeof(T), "sum");
        if (!written<T>(at)) fault(thread, "a sum with what was never written");
        for (std::size_t i = at / 4; i <= (at + sizeof(T) - 1) / 4; ++i) {
            Word& word = words_[i];
            if (word.written.who != kAdded && word.written.by_another(thread.who, now)) {
                fault(thread, "a sum with what another thread just wrote");
            }
            if (word.read.by_another(thread.who, now)) fault(thread, "a sum with what another thread just read");
            word.written = {now, kAdded};
        }
        T before;
        std::memcpy(&before, bytes_.data() + at, sizeof before);
        value += before;
        std::memcpy(bytes_.data() + at, &value, sizeof value);
        return before;
    }

    // The host's own accesses; `address` and `size` lie inside.
    void put(std::uint64_t address, const void* from, std::size_t size) {
        std::memcpy(bytes_.data() + (address - address_), from, size);
        std::memset(written_.data() + (address - address_), 1, size);
    }
    void fill(std::uint64_t address, int value, std::size_t size) {
        std::memset(bytes_.data() + (address - address_), value, size);
        std::memset(written_.data() + (address - address_), 1, size);
    }
    // False: some of it was never written.
    bool get(std::uint64_t address, void* to, std::size_t size) const {
        const std::size_t at = address - address_;
        std::memcpy(to, bytes_.data() + at, size);
        return std::memchr(written_.data() + at, 0, size) == nullptr;
    }
    void forget() {
        std::memset(bytes_.data(), kPoison, bytes_.size());
        std::memset(written_.data(), 0, written_.size());
    }

  private:
    static constexpr std::uint8_t kPoison = 0xff;  // makes floating-point numbers NaN
    static constexpr std::uint32_t kSeveral = ~std::uint32_t{0}, kAdded = kSeveral - 1;
    struct Access {
        std::uint32_t when = 0, who = 0;
        bool by_another(std::uint32_t thread, std::uint32_t now) const { return when == now && who != thread; }
    };
    struct Word {  // four bytes of memory
        Access written, read;
    };

    std::size_t place(const Thread& thread, std::uint64_t address, std::size_t size, const char* what) const {
        if (!holds(address, size)) fault(thread, std::string("a ") + what + " outside of the memory");
        return address - address_;
    }

    // Whether all bytes of a T were, looked at together. (CUDA's hosts have the lowest byte first.)
    template <class T>
    bool written(std::size_t at) const {
        std::uint64_t found = 0;
        std::memcpy(&found, written_.data() + at, sizeof(T));
        return found == ~std::uint64_t{0} / 255 >> 8 * (8 - sizeof(T));
    }

    std::uint64_t address_;
    std::vector<std::uint8_t> bytes_, written_;
    std::vector<Word> words_;
    int device_;
};

// Memory of one thread, for as long as a function runs.
class Local {
  public:
    Local(Thread& thread, std::size_t size)
        : thread_(thread),
          before_(thread.locals),
          memory_(
              before_ == nullptr ? kBegin : before_->memory_.address() + (before_->memory_.size() + 511) / 256 * 256,
              size) {
        thread.locals = this;
    }
    Local(const Local&) = delete;
    Local& operator=(const Local&) = delete;
    ~Local() { thread_.locals = before_; }

    std::uint64_t address() const { return memory_.address(); }
    // The memory that holds an address, or null.
    static Memory* at(const Thread& thread, std::uint64_t address) {
        for (Local* one = thread.locals; one != nullptr; one = one->before_) {
            if (one->memory_.holds(address, 1)) return &one->memory_;
        }
        return nullptr;
    }

  private:
    static constexpr std::uint64_t kBegin = std::uint64_t{1} << 55;
    Thread& thread_;
    Local* before_;
    Memory memory_;
};

// Launches, and intervals between two barriers, so far. (Different threads' accesses meet only inside one.)
extern std::uint32_t launch_now, interval_now;

// The allocation that holds an address, or null.
Memory* memory_at(std::uint64_t address);
// Whether it is in one of the modules' constant arrays, or in the arguments of the kernel at work.
bool is_constant(std::uint64_t address, std::size_t size);
bool is_argument(std::uint64_t address, std::size_t size);

// The device that the kernel at work runs on.
extern int device_at_work;

// There are two devices. Whether this process has a context, and hence takes memory, on one; and this thread's, or -1.
constexpr int kDevices = 2;
bool has_context(int device);
int current_device();

struct Constant {
    Constant(const void* bytes, std::size_t size);
};

struct Kernel {
    using Function = void (*)(Thread&, std::uint8_t* const*);
    Kernel(const char* name, Function function, std::size_t shared, std::uint32_t most_threads,
           std::vector<std::size_t> arguments);

    Function function;
    std::size_t shared;          // bytes
    std::uint32_t most_threads;  // in a block
    std::vector<std::size_t> arguments;
    std::string name;
};

constexpr std::uint64_t kSharedBegin = 256;                     // 0 is no address; translate_ptx.py has the same
constexpr std::uint64_t kGlobalBegin = std::uint64_t{1} << 56;  // no x86 or Arm host has memory there

// ---- what translated code is made of ----------------------------------------------------------------------------

inline std::uint64_t place(const std::uint8_t* bytes) { return reinterpret_cast<std::uintptr_t>(bytes); }
inline std::uint64_t place(std::uint32_t shared) { return shared; }
inline std::uint64_t place(const Local& local) { return local.address(); }

// Nothing of a word is left but what it does to registers: called as a function, it keeps them in memory, and the code
// is three times as long, and takes longer to compile and to run.
#define NANOBRAGG_WORD [[gnu::always_inline]] inline

// Registers have a size and no type. (A value that already has the type is handed on as it is, and never by reference:
// what has an address is no register for the compiler until it has found out that nobody needs the address, for a
// third of its time.) Integers of another size are extended by their sign, or cut.
template <class T, class V>
NANOBRAGG_WORD T read(V value) {
    if constexpr (std::is_same_v<T, V>) {
        return value;
    } else if constexpr (std::is_integral_v<T> && std::is_integral_v<V>) {
        return static_cast<T>(value);
    } else {
        static_assert(sizeof(T) == sizeof(V));
        T out;
        std::memcpy(&out, &value, sizeof out);
        return out;
    }
}
template <class T>
NANOBRAGG_WORD T bits(std::uint64_t value) {
    if constexpr (sizeof(T) == 4)
        return read<T>(static_cast<std::uint32_t>(value));
    else
        return read<T>(value);
}

// Memory. That of parameters is the host's.
template <class T>
NANOBRAGG_WORD T load_param(Thread&, std::uint64_t at) {
    T value;
    std::memcpy(&value, reinterpret_cast<const void*>(at), sizeof value);
    return value;
}
template <class T>
NANOBRAGG_WORD void store_param(Thread&, std::uint64_t at, T value) {
    std::memcpy(reinterpret_cast<void*>(at), &value, sizeof value);
}
inline Memory& local_memory(const Thread& thread, std::uint64_t at) {
    Memory* memory = Local::at(thread, at);
    if (memory == nullptr) fault(thread, "an access outside of all local memory");
    return *memory;
}
template <class T>
T load_local(Thread& thread, std::uint64_t at) {
    return local_memory(thread, at).load<T>(thread, at, 1);
}
template <class T>
void store_local(Thread& thread, std::uint64_t at, T value) {
    local_memory(thread, at).store(thread, at, value, 1);
}
template <class T>
T load_shared(Thread& thread, std::uint64_t at) {
    return thread.shared->load<T>(thread, at, interval_now);
}
template <class T>
void store_shared(Thread& thread, std::uint64_t at, T value) {
    thread.shared->store(thread, at, value, interval_now);
}
inline Memory& global_memory(Thread& thread, std::uint64_t at) {
    if (thread.recent == nullptr || !thread.recent->holds(at, 1)) thread.recent = memory_at(at);
    if (thread.recent == nullptr) fault(thread, "an access outside of all memory");
    if (thread.recent->device() != device_at_work) fault(thread, "an access to another device's memory");
    return *thread.recent;
}
template <class T>
T load_global(Thread& thread, std::uint64_t at, bool constant = false) {
    if (at < kGlobalBegin && is_constant(at, sizeof(T))) return load_param<T>(thread, at);
    return global_memory(thread, at).load<T>(thread, at, launch_now, constant);
}
template <class T>
void store_global(Thread& thread, std::uint64_t at, T value) {
    global_memory(thread, at).store(thread, at, value, launch_now);
}
template <class T>
T add_global(Thread& thread, std::uint64_t at, T value) {
    return global_memory(thread, at).add(thread, at, value, launch_now);
}
template <class T>
T add_generic(Thread& thread, std::uint64_t at, T value) {
    return add_global(thread, at, value);
}
template <class T>
T load_constant(Thread& thread, std::uint64_t at) {
    return load_global<T>(thread, at, true);
}
template <class T>
T load_generic(Thread& thread, std::uint64_t at) {
    if (thread.shared->holds(at, 1)) return load_shared<T>(thread, at);
    if (Local::at(thread, at) != nullptr) return load_local<T>(thread, at);
    if (is_argument(at, sizeof(T))) return load_param<T>(thread, at);
    return load_global<T>(thread, at);
}
template <class T>
void store_generic(Thread& thread, std::uint64_t at, T value) {
    if (thread.shared->holds(at, 1)) return store_shared(thread, at, value);
    if (Local::at(thread, at) != nullptr) return store_local(thread, at, value);
    store_global(thread, at, value);
}

// Arithmetic. Integers wrap.
template <class T, bool integral = std::is_integral_v<T>>
struct Wrapping {
    using type = T;
};
template <class T>
struct Wrapping<T, true> {
    using type = std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, unsigned, T>>;
};
template <class T>
using Wrapped = typename Wrapping<T>::type;
template <class T>
NANOBRAGG_WORD constexpr bool is_negative(T x) {
    return std::is_signed_v<T> && x < T{};
}

template <class T>
NANOBRAGG_WORD T do_add(T x, T y) {
    return static_cast<T>(static_cast<Wrapped<T>>(x) + static_cast<Wrapped<T>>(y));
}
template <class T>
NANOBRAGG_WORD T do_sub(T x, T y) {
    return static_cast<T>(static_cast<Wrapped<T>>(x) - static_cast<Wrapped<T>>(y));
}
template <class T>
NANOBRAGG_WORD T do_mul_lo(T x, T y) {
    return static_cast<T>(static_cast<Wrapped<T>>(x) * static_cast<Wrapped<T>>(y));
}
template <class T>
NANOBRAGG_WORD T do_mul_hi(T x, T y) {
    __extension__ using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
    return static_cast<T>(static_cast<Wide>(x) * static_cast<Wide>(y) >> 8 * sizeof(T));
}
template <class Wide, class T>
NANOBRAGG_WORD Wide mul_wide(T x, T y) {
    return static_cast<Wide>(static_cast<Wide>(x) * static_cast<Wide>(y));
}
template <class Wide, class T>
NANOBRAGG_WORD Wide mad_wide(T x, T y, Wide z) {
    return do_add(mul_wide<Wide>(x, y), z);
}
template <class T>
NANOBRAGG_WORD T do_mad_lo(T x, T y, T z) {
    return do_add(do_mul_lo(x, y), z);
}
template <class T>
NANOBRAGG_WORD T do_fma(T x, T y, T z) {
    return std::fma(x, y, z);
}
// (PTX says nothing of what division by 0 gives: who does it throws the result away, or should.)
template <class T>
NANOBRAGG_WORD T do_div(T x, T y) {
    if constexpr (std::is_integral_v<T>) {
        if (y == 0) return static_cast<T>(-1);
        if (is_negative(y) && y == static_cast<T>(-1)) return do_sub<T>(0, x);
    }
    return static_cast<T>(x / y);
}
template <class T>
NANOBRAGG_WORD T do_rem(T x, T y) {
    if (y == 0) return x;
    if (is_negative(y) && y == static_cast<T>(-1)) return 0;
    return static_cast<T>(x % y);
}
template <class T>
NANOBRAGG_WORD T do_rcp(T x) {
    return T{1} / x;
}
template <class T>
NANOBRAGG_WORD T do_sqrt(T x) {
    return std::sqrt(x);
}
template <class T>
NANOBRAGG_WORD T do_rsqrt(T x) {
    return T{1} / std::sqrt(x);
}
// As far off as a GPU's approximations may be, on one side or the other: two units in the last place.
template <class T>
NANOBRAGG_WORD T approximate(T x) {
    static_assert(sizeof(T) == 4);
    const float off = (read<std::uint32_t>(x) & 2) != 0 ? 0x1p-22f : -0x1p-22f;
    return x * (1 + off);
}
template <class T>
NANOBRAGG_WORD T do_neg(T x) {
    if constexpr (std::is_integral_v<T>)
        return do_sub<T>(0, x);
    else
        return -x;
}
template <class T>
NANOBRAGG_WORD T do_abs(T x) {
    if constexpr (std::is_integral_v<T>)
        return is_negative(x) ? do_sub<T>(0, x) : x;
    else
        return std::fabs(x);
}
template <class T>
NANOBRAGG_WORD T do_min(T x, T y) {
    if constexpr (std::is_integral_v<T>)
        return y < x ? y : x;
    else
        return std::fmin(x, y);
}
template <class T>
NANOBRAGG_WORD T do_max(T x, T y) {
    if constexpr (std::is_integral_v<T>)
        return x < y ? y : x;
    else
        return std::fmax(x, y);
}
template <class T>
NANOBRAGG_WORD T do_and(T x, T y) {
    return static_cast<T>(x & y);
}
template <class T>
NANOBRAGG_WORD T do_or(T x, T y) {
    return static_cast<T>(x | y);
}
template <class T>
NANOBRAGG_WORD T do_xor(T x, T y) {
    return static_cast<T>(x ^ y);
}
template <class T>
NANOBRAGG_WORD T do_not(T x) {
    if constexpr (std::is_same_v<T, bool>)
        return !x;
    else
        return static_cast<T>(~x);
}
template <class T>
NANOBRAGG_WORD T shl(T x, std::uint32_t by) {
    return by >= 8 * sizeof(T) ? T{} : static_cast<T>(static_cast<Wrapped<T>>(x) << by);
}
template <class T>
NANOBRAGG_WORD T shr(T x, std::uint32_t by) {
    if (by >= 8 * sizeof(T)) return is_negative(x) ? static_cast<T>(-1) : T{};
    return static_cast<T>(x >> by);
}
template <class T>
NANOBRAGG_WORD std::uint32_t clz(T x) {
    std::uint32_t count = 0;
    for (T bit = T{1} << (8 * sizeof(T) - 1); bit != 0 && (x & bit) == 0; bit >>= 1) ++count;
    return count;
}
template <class T>
NANOBRAGG_WORD std::uint32_t popc(T x) {
    std::uint32_t count = 0;
    for (; x != 0; x &= x - 1) ++count;
    return count;
}

// Halves of two words in a row that were shifted.
template <class T>
NANOBRAGG_WORD std::uint64_t row_of(T low, T high) {
    static_assert(sizeof(T) == 4);
    return std::uint64_t{static_cast<std::uint32_t>(high)} << 32 | static_cast<std::uint32_t>(low);
}
template <class T>
NANOBRAGG_WORD T do_shf_l_wrap(T low, T high, T by) {
    return static_cast<T>(row_of(low, high) << (by & 31) >> 32);
}
template <class T>
NANOBRAGG_WORD T do_shf_r_wrap(T low, T high, T by) {
    return static_cast<T>(row_of(low, high) >> (by & 31));
}
// Four bytes out of those of two words, each chosen by four bits of `which`; the highest: its sign alone.
template <class T>
NANOBRAGG_WORD T do_prmt(T low, T high, T which) {
    std::uint32_t out = 0;
    for (int i = 0; i < 4; ++i) {
        const auto choice = static_cast<std::uint32_t>(which) >> 4 * i & 15;
        const auto byte = static_cast<std::uint32_t>(row_of(low, high) >> 8 * (choice & 7) & 255);
        out |= ((choice & 8) == 0 ? byte : (byte & 128) != 0 ? 255u : 0u) << 8 * i;
    }
    return static_cast<T>(out);
}

// With a carry in and out.
using Word32 = std::uint32_t;
inline Word32 carried(std::uint64_t value, bool& carry) {
    carry = (value >> 32 & 1) != 0;
    return static_cast<Word32>(value);
}
inline Word32 do_add_cc(Word32 x, Word32 y, bool& carry) { return carried(std::uint64_t{x} + y, carry); }
inline Word32 do_addc(Word32 x, Word32 y, bool carry) { return x + y + carry; }
inline Word32 do_addc_cc(Word32 x, Word32 y, bool& carry) { return carried(std::uint64_t{x} + y + carry, carry); }
inline Word32 do_sub_cc(Word32 x, Word32 y, bool& carry) { return carried(std::uint64_t{x} - y, carry); }
inline Word32 do_subc(Word32 x, Word32 y, bool carry) { return x - y - carry; }
inline Word32 do_subc_cc(Word32 x, Word32 y, bool& carry) { return carried(std::uint64_t{x} - y - carry, carry); }
inline Word32 do_mad_lo_cc(Word32 x, Word32 y, Word32 z, bool& carry) { return do_add_cc(x * y, z, carry); }
inline Word32 do_madc_lo(Word32 x, Word32 y, Word32 z, bool carry) { return do_addc(x * y, z, carry); }
inline Word32 do_madc_lo_cc(Word32 x, Word32 y, Word32 z, bool& carry) { return do_addc_cc(x * y, z, carry); }
inline Word32 do_madc_hi(Word32 x, Word32 y, Word32 z, bool carry) { return do_addc(do_mul_hi(x, y), z, carry); }
inline Word32 do_madc_hi_cc(Word32 x, Word32 y, Word32 z, bool& carry) { return do_addc_cc(do_mul_hi(x, y), z, carry); }

// Comparisons: false where a number is NaN, but for those that end in u. (lo, ls, hi, hs: of unsigned integers.)
template <class T>
NANOBRAGG_WORD bool is_nan(T x, T y) {
    return x != x || y != y;
}
template <class T>
NANOBRAGG_WORD bool is_num(T x, T y) {
    return !is_nan(x, y);
}
#define NANOBRAGG_COMPARISON(name, sign)         \
    template <class T>                           \
    NANOBRAGG_WORD bool is_##name(T x, T y) {    \
        return is_num(x, y) && x sign y;         \
    }                                            \
    template <class T>                           \
    NANOBRAGG_WORD bool is_##name##u(T x, T y) { \
        return is_nan(x, y) || x sign y;         \
    }
NANOBRAGG_COMPARISON(eq, ==)
NANOBRAGG_COMPARISON(ne, !=)
NANOBRAGG_COMPARISON(lt, <)
NANOBRAGG_COMPARISON(le, <=)
NANOBRAGG_COMPARISON(gt, >)
NANOBRAGG_COMPARISON(ge, >=)
NANOBRAGG_COMPARISON(lo, <)
NANOBRAGG_COMPARISON(ls, <=)
NANOBRAGG_COMPARISON(hi, >)
NANOBRAGG_COMPARISON(hs, >=)
#undef NANOBRAGG_COMPARISON

// Numbers beyond an integer's range become its end; NaN becomes its highest bit alone where either has 64 bits, or 0.
template <class To, class From>
NANOBRAGG_WORD To convert(From x) {
    if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
        if (x != x) {
            const bool wide = sizeof(From) == 8 || sizeof(To) == 8;
            return wide ? static_cast<To>(std::uint64_t{1} << (8 * sizeof(To) - 1)) : To{};
        }
        if (x <= static_cast<From>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
        if (x >= static_cast<From>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    }
    return static_cast<To>(x);
}

#undef NANOBRAGG_WORD

}  // namespace emulator
