// Fewer wavelengths that give the same sum: Gauss quadrature of a spectrum.
//
// Where the structure factor is constant, F_latt^2 of a parallelepiped of N_a x N_b x N_c cells is a sum of cosines of
// 2 pi (i h + j k + m l), |i| < N_a and so on, and h, k, l are proportional to 1/wavelength. Over a spectrum it is
// hence a smooth function of 1/wavelength without frequencies above a known one, and the weighted sum over any number
// of wavelengths is that over n of them with other weights, n depending on the width of the spectrum and not on how
// finely it was cut. (Gautschi, Orthogonal Polynomials, 2004: discrete measures, Lanczos; Golub and Welsch, 1969.)
#pragma once

#include <vector>

namespace nanobragg {

struct SpectralLine {
    double inverse_wavelength, weight;  // 1/m; at least 0
    bool operator==(const SpectralLine& o) const {
        return inverse_wavelength == o.inverse_wavelength && weight == o.weight;
    }
};

struct SpectralRange {
    double low, high, total;  // least and largest 1/wavelength; sum of the weights
};
SpectralRange range_of(const std::vector<SpectralLine>& lines);  // at least one

class Spectrum {
  public:
    // `lines`: at least one, weights not negative and not all 0. `most`: nodes that may be asked for.
    Spectrum(const std::vector<SpectralLine>& lines, int most);

    // The rule of n nodes (fewer where so many are exact): weights positive, their sum that of the lines.
    std::vector<SpectralLine> nodes(int n) const;

  private:
    double middle_ = 0, half_ = 0, total_ = 0;
    std::vector<double> alpha_, beta_;  // coefficients of the orthonormal polynomials
};

// Nodes so that sums of cos(w x + c), where w times half the width of the spectrum is up to `phase` radians, are wrong
// by at most `accuracy` of the sum of the weights; `most` + 1 where that takes more than `most`.
int nodes_for(double phase, double accuracy, int most);

}  // namespace nanobragg
