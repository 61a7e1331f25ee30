// Sums over a register's pixels, and the way between registers and arrays of all chosen pixels. A part of slopes.inl.

NANOBRAGG_FN double sum_of(Doubles x) {
    double part[kHalf];
    for (int i = 0; i < kHalf; ++i) part[i] = x[i];
    for (int n = kHalf / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; ++i) part[i] += part[i + n];
    }
    return part[0];
}

// The sums of kHalf registers, in their order.
NANOBRAGG_FN Doubles sums_of(const Doubles* x) {
    Doubles part[kHalf];
    for (int i = 0; i < kHalf; ++i) part[i] = x[i];
    for (int n = kHalf; n > 1; n /= 2) {
        for (int i = 0; 2 * i < n; ++i) {
            part[i] = even_of(part[2 * i], part[2 * i + 1]) + odd_of(part[2 * i], part[2 * i + 1]);
        }
    }
    return part[0];
}

// Adds the sum of each of some registers to a number.
template <int count>
NANOBRAGG_FN void add_sums(const Doubles* x, double* sums) {
    int i = 0;
    for (; i + kHalf <= count; i += kHalf) {
        Doubles now;
        __builtin_memcpy(&now, sums + i, sizeof now);
        now += sums_of(x + i);
        __builtin_memcpy(sums + i, &now, sizeof now);
    }
    for (; i < count; ++i) sums[i] += sum_of(x[i]);
}

// Writes what nobody here reads again past the caches, where full registers begin.
NANOBRAGG_FN void put(const double* numbers, int count, double* to) {
    int i = 0;
#if defined(__AVX512F__)
    for (; i < count && ((uintptr_t)(to + i) & 63) != 0; ++i) to[i] = numbers[i];
    for (; i + kHalf <= count; i += kHalf) _mm512_stream_pd(to + i, _mm512_loadu_pd(numbers + i));
#elif defined(__AVX2__)
    for (; i < count && ((uintptr_t)(to + i) & 31) != 0; ++i) to[i] = numbers[i];
    for (; i + kHalf <= count; i += kHalf) _mm256_stream_pd(to + i, _mm256_loadu_pd(numbers + i));
#endif
    for (; i < count; ++i) to[i] = numbers[i];
}

// What belongs to one of many that have sums: registers of the one that was asked for last, which join its sums when
// another one is, and in the end by join(). (No destructor does it: it would bring in what C++ does about exceptions,
// which an instruction set's object must not share with the rest of the program.)
template <template <class> class Slopes>
class Held {
  public:
    explicit Held(Slopes<Sum>* all) : all_(all) {}
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    NANOBRAGG_FN_MEMBER Slopes<Doubles>& operator[](int64_t number) {
        if (number != number_) {
            join();
            number_ = number;
        }
        return values_;
    }
    void join() {
        constexpr int count = (int)(sizeof values_ / sizeof(Doubles));
        if (number_ >= 0) add_sums<count>((const Doubles*)&values_, (double*)&all_[number_]);
        values_ = Slopes<Doubles>{};
        number_ = -1;
    }

  private:
    Slopes<Sum>* all_;
    int64_t number_ = -1;
    Slopes<Doubles> values_{};
};

struct OwnSlopes {
    PanelSlopes<Doubles>& panel;
    Held<SourceSlopes>& sources;
    Held<LayerSlopes>& layers;
    CommonSlopes<Doubles>& common;
};

// The pixels' numbers in an array of all chosen pixels; 0 in a register's places that have no pixel.
void read_pixels(const Row& row, const double* all, double* numbers) {
    const SlopeTask& task = row.task;
    // The next piece's come from memory while this one is computed.
    const PixelRun& last = task.runs[task.run_count - 1];
    for (int i = 0; i < kRowPixels; i += 8) __builtin_prefetch(all + last.place + last.count + i);
    for (int p = 0, run = 0; run < task.run_count; ++run) {
        for (int i = 0; i < task.runs[run].count; ++i) numbers[p++] = all[task.runs[run].place + i];
    }
    for (int p = task.count; p < row.registers * kHalf; ++p) numbers[p] = 0;
}
void write_pixels(const Row& row, const double* numbers, double* all) {
    const SlopeTask& task = row.task;
    for (int p = 0, run = 0; run < task.run_count; ++run) {
        put(numbers + p, task.runs[run].count, all + task.runs[run].place);
        p += task.runs[run].count;
    }
}
