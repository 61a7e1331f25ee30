// Derivatives of an image on a device (nanobragg/derivatives.hpp has them on the CPU).
#pragma once

#include <memory>
#include <vector>

#include "device.hpp"
#include "nanobragg/derivatives.hpp"

namespace nanobragg::gpu {

// As their namesakes on the CPU, in double precision whichever is asked for. Results do not depend on the device, but
// for the last digits of those by structure factors, which many threads add up in any order.
SceneChange render_vjp(const std::shared_ptr<Device>& device, const Scene& scene, const double* weights,
                       const DerivativeOptions& options);
void render_jvp(const std::shared_ptr<Device>& device, const Scene& scene, const std::vector<SceneChange>& directions,
                double* changes, const DerivativeOptions& options);

// The same with the image (float64) and the weights, of all pixels, on the device, where they stay.
std::shared_ptr<Buffer> render_there(const std::shared_ptr<Device>& device, const Scene& scene,
                                     const DerivativeOptions& options);
SceneChange render_vjp_there(const std::shared_ptr<Device>& device, const Scene& scene, const double* weights,
                             const DerivativeOptions& options);

}  // namespace nanobragg::gpu
