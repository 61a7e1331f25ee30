#include "plan/spectrum.hpp"

#include <algorithm>
#include <cmath>

namespace nanobragg {
namespace {

double dot(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}

void subtract(std::vector<double>& a, double factor, const std::vector<double>& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] -= factor * b[i];
}

// Diagonalises the tridiagonal matrix by implicit QL steps with Wilkinson's shift (Golub and Welsch): `diagonal`
// becomes the eigenvalues, and `first` the first components of the eigenvectors.
void diagonalise(std::vector<double>& diagonal, std::vector<double>& off, std::vector<double>& first) {
    const std::size_t n = diagonal.size();
    off.resize(n, 0.0);
    first.assign(n, 0.0);
    first[0] = 1;
    for (std::size_t l = 0; l < n; ++l) {
        for (;;) {
            std::size_t m = l;
            while (m + 1 < n && std::abs(off[m]) > 1e-16 * (std::abs(diagonal[m]) + std::abs(diagonal[m + 1]))) ++m;
            if (m == l) break;
            const double slope = (diagonal[l + 1] - diagonal[l]) / (2 * off[l]);
            double g = diagonal[m] - diagonal[l] + off[l] / (slope + std::copysign(std::hypot(slope, 1.0), slope));
            double sine = 1, cosine = 1, shift = 0;
            for (std::size_t i = m; i-- > l;) {
                const double f = sine * off[i], b = cosine * off[i], r = std::hypot(f, g);
                off[i + 1] = r;
                sine = r > 0 ? f / r : 0.0;
                cosine = r > 0 ? g / r : 1.0;
                g = diagonal[i + 1] - shift;
                const double t = (diagonal[i] - g) * sine + 2 * cosine * b;
                shift = sine * t;
                diagonal[i + 1] = g + shift;
                g = cosine * t - b;
                const double after = first[i + 1];
                first[i + 1] = sine * first[i] + cosine * after;
                first[i] = cosine * first[i] - sine * after;
            }
            diagonal[l] -= shift;
            off[l] = g;
            off[m] = 0;
        }
    }
}

}  // namespace

SpectralRange range_of(const std::vector<SpectralLine>& lines) {
    SpectralRange range{lines.front().inverse_wavelength, lines.front().inverse_wavelength, 0};
    for (const SpectralLine& line : lines) {
        range.low = std::min(range.low, line.inverse_wavelength);
        range.high = std::max(range.high, line.inverse_wavelength);
        range.total += line.weight;
    }
    return range;
}

Spectrum::Spectrum(const std::vector<SpectralLine>& lines, int most) {
    const SpectralRange range = range_of(lines);
    middle_ = range.low + (range.high - range.low) / 2;
    half_ = (range.high - range.low) / 2;
    total_ = range.total;
    // Lanczos' process on the lines' places, in [-1, 1]; orthogonalised twice, which loses nothing.
    std::vector<double> place(lines.size()), next(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        place[i] = half_ > 0 ? (lines[i].inverse_wavelength - middle_) / half_ : 0.0;
        next[i] = std::sqrt(lines[i].weight / total_);
    }
    std::vector<std::vector<double>> basis;
    while (static_cast<int>(basis.size()) < most) {
        basis.push_back(next);
        for (std::size_t i = 0; i < next.size(); ++i) next[i] *= place[i];
        alpha_.push_back(dot(basis.back(), next));
        for (int pass = 0; pass < 2; ++pass) {
            for (const std::vector<double>& q : basis) subtract(next, dot(q, next), q);
        }
        const double length = std::sqrt(dot(next, next));
        if (!(length > 1e-13)) break;  // as many nodes as different lines: exact
        beta_.push_back(length);
        for (double& value : next) value /= length;
    }
}

std::vector<SpectralLine> Spectrum::nodes(int n) const {
    const auto size = std::min(static_cast<std::size_t>(n), alpha_.size());
    const auto count = static_cast<std::ptrdiff_t>(size);
    std::vector<double> place(alpha_.begin(), alpha_.begin() + count), first;
    std::vector<double> off(beta_.begin(), beta_.begin() + (count - 1));
    diagonalise(place, off, first);
    std::vector<SpectralLine> out;
    for (std::size_t i = 0; i < size; ++i) out.push_back({middle_ + half_ * place[i], total_ * first[i] * first[i]});
    std::sort(out.begin(), out.end(),
              [](const SpectralLine& a, const SpectralLine& b) { return a.inverse_wavelength < b.inverse_wavelength; });
    return out;
}

int nodes_for(double phase, double accuracy, int most) {
    // cos(w x + c) is a series of Chebyshev polynomials with coefficients up to 2 J_k(phase), and
    // |J_k(phase)| <= (phase/2)^k / k!. The rule is exact below degree 2 n, and both sums may miss by the rest of the
    // series, which is less than twice its first term from k = phase on.
    if (phase == 0) return 1;
    if (!(phase / 2 <= most)) return most + 1;
    int n = std::max(1, static_cast<int>(std::ceil(phase / 2)));
    for (; n <= most; ++n) {
        const double degree = 2.0 * n;
        if (std::log(8.0) + degree * std::log(phase / 2) - std::lgamma(degree + 1) <= std::log(accuracy)) break;
    }
    return n;
}

}  // namespace nanobragg
