// Two loops marked as the kernels' are, one of which is not vectorised: check_vectorised must tell of that one.
void outside(int p);

void doubled(const double* x, double* y, int n) {
// must vectorise: doubling
#pragma omp simd
    for (int p = 0; p < n; ++p) y[p] = 2.0 * x[p];
}

void called(const double* x, double* y, int n) {
// must vectorise: calling
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        outside(p);
        y[p] = 2.0 * x[p];
    }
}
