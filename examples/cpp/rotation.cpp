// A crystal that turns by two degrees in a beam of X-rays: fills a Scene, renders it, and writes a picture of it.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <nanobragg/error.hpp>
#include <nanobragg/render.hpp>
#include <vector>

int main() try {
    nanobragg::Scene scene;  // SI units; here the beam goes along z
    nanobragg::Panel panel;  // 400 x 400 pixels, 10 cm away, in the middle
    panel.nslow = panel.nfast = 400;
    panel.pixel_slow = panel.pixel_fast = 0.25e-3;
    panel.origin = {-0.05, -0.05, 0.1};
    panel.fast = {1, 0, 0};
    panel.slow = {0, 1, 0};
    panel.normal = {0, 0, 1};
    panel.close_distance = 0.1;
    panel.roi[1] = panel.roi[3] = 399;  // all pixels: first and last, fast and slow
    scene.panels = {panel};
    scene.layers = {{}};                      // a thin sensor
    scene.sources = {{{0, 0, 1}, 1e-10, 1}};  // wavelength 1 Å
    for (int step = 0; step < 80; ++step) {   // the cell is 50 x 60 x 70 Å
        const auto turn = [&](nanobragg::Vec3 v) { return rotate_axis(v, {1, 0, 0}, 0.3 + step * 0.035 / 80); };
        scene.orientations.push_back({turn({50e-10, 0, 0}), turn({0, 60e-10, 0}), turn({0, 0, 70e-10})});
    }
    std::fill_n(scene.cells, 3, 12.0);
    scene.default_F = 100;
    scene.steps = static_cast<double>(scene.orientations.size());
    scene.scale = 7.9407877e-30 * 1e28;  // the electron's radius squared, m^2, times photons/m^2
    std::vector<float> image(static_cast<std::size_t>(scene.pixels()));
    nanobragg::render(scene, {}, image.data());
    const auto brightest = std::max_element(image.begin(), image.end()) - image.begin();
    std::cout << "brightest pixel: fast " << brightest % 400 << ", slow " << brightest / 400 << ", "
              << image[static_cast<std::size_t>(brightest)] << " photons\n";
    std::ofstream picture("rotation.pgm", std::ios::binary);  // PGM, which most viewers show
    picture << "P5\n400 400\n255\n";
    for (const float photons : image) picture.put(static_cast<char>(255 - std::min(255.0f, photons)));
    return picture ? 0 : 1;
} catch (const nanobragg::InputError& error) {
    std::cerr << error.what() << "\n";
    return 1;
}
