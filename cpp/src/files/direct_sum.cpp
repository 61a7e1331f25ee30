// Structure factors by summation over the atoms of the cell.
#include <algorithm>
#include <cmath>

#include "nanobragg/symmetry.hpp"
#include "nanobragg/threads.hpp"

namespace nanobragg {

namespace {

constexpr double two_pi = 6.28318530717958647692528676655900577;
constexpr std::size_t lanes = 8;
constexpr std::size_t longest_run = 512;

// Reflections h k l, h k l+1, ...
struct Run {
    std::array<double, 3> first{};
    std::size_t length = 0;
};

Run run_at(const std::int32_t* hkl, std::size_t available) {
    Run run;
    for (std::size_t axis = 0; axis < 3; ++axis) run.first[axis] = hkl[axis];
    const std::size_t most = std::min(available, longest_run);
    run.length = 1;
    while (run.length < most && hkl[3 * run.length] == hkl[0] && hkl[3 * run.length + 1] == hkl[1] &&
           hkl[3 * run.length + 2] == hkl[2] + static_cast<std::int32_t>(run.length)) {
        ++run.length;
    }
    return run;
}

struct Complex {
    double re = 0, im = 0;
};

Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }

// exp(2πi·turns)
Complex wave(double turns) {
    const double angle = two_pi * (turns - std::nearbyint(turns));
    return {std::cos(angle), std::sin(angle)};
}

// What l adds to the phase of each atom.
std::vector<Complex> steps_of(const AtomicModel& model) {
    std::vector<Complex> steps;
    steps.reserve(model.atoms.size());
    for (const auto& atom : model.atoms) steps.push_back(wave(atom[2]));
    return steps;
}

// Sums of one run. Lanes of a wave are a reflection apart, and all of them step by as many as there are lanes, so that
// the compiler can make vectors of them.
class RunSums {
  public:
    RunSums(const AtomicModel& model, const std::vector<Complex>& steps) : model_(model), steps_(steps) {}

    void start(const Run& run, const Ball& ball) {
        run_ = run;
        padded_ = (run.length + lanes - 1) / lanes * lanes;
        for (std::size_t i = 0; i < padded_; ++i) {
            s2_[i] = ball.inverse_d2(run.first[0], run.first[1], run.first[2] + static_cast<double>(i));
        }
    }

    void form_factor(const FormFactor& element) {
        for (std::size_t i = 0; i < run_.length; ++i) {
            double f = element.c;
            for (std::size_t term = 0; term < 4; ++term) {
                f += element.a[term] * std::exp(-0.25 * element.b[term] * s2_[i]);
            }
            f0_[i] = f + element.f_prime;
        }
    }

    // Adds a group to both parts of the run's structure factors.
    void add(const AtomGroup& group, double* scattering, double* absorbing) {
        std::fill_n(re_.begin(), padded_, 0.0);
        std::fill_n(im_.begin(), padded_, 0.0);
        for (std::size_t atom = group.begin; atom < group.end; ++atom) {
            if (group.anisotropic) tensor(model_.tensors[atom]);
            add_waves(model_.atoms[atom], steps_[atom], group.anisotropic);
        }
        const double f_double_prime = model_.elements[group.element].f_double_prime;
        for (std::size_t i = 0; i < run_.length; ++i) {
            const double damping = group.anisotropic ? 1.0 : std::exp(-0.25 * group.b_factor * s2_[i]);
            const double re = damping * re_[i], im = damping * im_[i];
            scattering[2 * i] += f0_[i] * re;
            scattering[2 * i + 1] += f0_[i] * im;
            absorbing[2 * i] += f_double_prime * re;
            absorbing[2 * i + 1] += f_double_prime * im;
        }
    }

  private:
    void tensor(const std::array<double, 6>& t) {
        const double h = run_.first[0], k = run_.first[1];
        const double fixed = t[0] * h * h + t[1] * k * k + 2 * t[3] * h * k, slope = 2 * (t[4] * h + t[5] * k);
        for (std::size_t i = 0; i < run_.length; ++i) {
            const double l = run_.first[2] + static_cast<double>(i);
            damping_[i] = std::exp(-(fixed + l * (slope + t[2] * l)));
        }
        std::fill(damping_.begin() + static_cast<std::ptrdiff_t>(run_.length),
                  damping_.begin() + static_cast<std::ptrdiff_t>(padded_), 0.0);
    }

    void add_waves(const std::array<double, 4>& atom, Complex step, bool damped) {
        std::array<double, lanes> re, im;
        Complex at = wave(run_.first[0] * atom[0] + run_.first[1] * atom[1] + run_.first[2] * atom[2]);
        at.re *= atom[3];
        at.im *= atom[3];
        for (std::size_t i = 0; i < lanes; ++i) {
            re[i] = at.re;
            im[i] = at.im;
            at = at * step;
        }
        const Complex two = step * step, four = two * two, eight = four * four;
        for (std::size_t begin = 0; begin < padded_; begin += lanes) {
            if (damped) {
                accumulate(begin, re, im, damping_.data() + begin);
            } else {
                accumulate(begin, re, im);
            }
            for (std::size_t i = 0; i < lanes; ++i) {
                const double next = re[i] * eight.re - im[i] * eight.im;
                im[i] = re[i] * eight.im + im[i] * eight.re;
                re[i] = next;
            }
        }
    }

    void accumulate(std::size_t begin, const std::array<double, lanes>& re, const std::array<double, lanes>& im) {
        for (std::size_t i = 0; i < lanes; ++i) {
            re_[begin + i] += re[i];
            im_[begin + i] += im[i];
        }
    }

    void accumulate(std::size_t begin, const std::array<double, lanes>& re, const std::array<double, lanes>& im,
                    const double* damping) {
        for (std::size_t i = 0; i < lanes; ++i) {
            re_[begin + i] += damping[i] * re[i];
            im_[begin + i] += damping[i] * im[i];
        }
    }

    const AtomicModel& model_;
    const std::vector<Complex>& steps_;
    Run run_;
    std::size_t padded_ = 0;
    std::array<double, longest_run> s2_{}, f0_{}, re_{}, im_{}, damping_{};
};

void sum_of_run(const AtomicModel& model, const Ball& ball, const Run& run, double* scattering, double* absorbing,
                RunSums& sums) {
    std::fill_n(scattering, 2 * run.length, 0.0);
    std::fill_n(absorbing, 2 * run.length, 0.0);
    sums.start(run, ball);
    std::size_t element = model.elements.size();
    for (const AtomGroup& group : model.groups) {
        if (group.element != element) sums.form_factor(model.elements[group.element]);
        element = group.element;
        sums.add(group, scattering, absorbing);
    }
}

}  // namespace

void sum_over_atoms(const AtomicModel& model, const Ball& ball, std::size_t n, const std::int32_t* hkl,
                    double* scattering, double* absorbing) {
    std::vector<std::size_t> begins;
    for (std::size_t at = 0; at < n;) {
        begins.push_back(at);
        at += run_at(hkl + 3 * at, n - at).length;
    }
    const auto count = static_cast<std::int64_t>(begins.size());
    const std::vector<Complex> steps = steps_of(model);
#pragma omp parallel num_threads(thread_count(0))
    {
        RunSums sums(model, steps);
#pragma omp for schedule(dynamic, 16)
        for (std::int64_t i = 0; i < count; ++i) {
            const std::size_t at = begins[static_cast<std::size_t>(i)];
            const Run run = run_at(hkl + 3 * at, n - at);
            sum_of_run(model, ball, run, scattering + 2 * at, absorbing + 2 * at, sums);
        }
    }
}

}  // namespace nanobragg
