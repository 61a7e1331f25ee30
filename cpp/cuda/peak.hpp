// What a CUDA device can do at most, measured.
#pragma once

namespace nanobragg::gpu {

// Multiply-adds per second in double and in single precision, by all multiprocessors, and bytes per second of a copy
// within the device's memory, those read and those written. Takes `seconds` for each. Throws DeviceError where there is
// no such device.
struct PeakRates {
    double fused_double = 0, fused_single = 0, copied = 0;
};
PeakRates peak_rates(int number, double seconds);

}  // namespace nanobragg::gpu
