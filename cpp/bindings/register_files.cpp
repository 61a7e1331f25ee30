// Parsers of text files.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string_view>

#include "nanobragg/columns.hpp"
#include "nanobragg/hkl.hpp"
#include "register.hpp"

namespace py = pybind11;

namespace nanobragg {
namespace {

py::tuple parse_hkl_bytes(const py::bytes& data, double default_F, const std::array<std::int64_t, 3>& likely) {
    const std::string_view text = data;
    StructureFactorGrid grid;
    {
        py::gil_scoped_release release;
        grid = parse_hkl(text, default_F, likely);
    }
    double* values = grid.values.get();
    py::capsule owner(values, [](void* memory) { delete[] static_cast<double*>(memory); });
    (void)grid.values.release();
    return py::make_tuple(py::array_t<double>(grid.shape, values, owner), grid.minimum, grid.count, grid.warnings);
}

py::tuple columns_of(const py::bytes& data, std::size_t columns, bool titles) {
    const Columns found = read_columns(std::string_view(data), columns, titles);
    const auto rows = static_cast<py::ssize_t>(found.values.size() / columns);
    py::array_t<double> table({rows, static_cast<py::ssize_t>(columns)});
    std::copy(found.values.begin(), found.values.end(), table.mutable_data());
    return py::make_tuple(table, found.without_number);
}

}  // namespace
}  // namespace nanobragg

void register_files(py::module_& module) {
    using namespace nanobragg;
    module.def("parse_hkl", &parse_hkl_bytes, py::arg("data"), py::arg("default_F"), py::arg("likely"),
               "Grid of amplitudes (H, K, L) float64, [h, k, l] of its first element, number of reflections and list "
               "of warnings of the text `h k l F` (bytes). Raises InputError, a sentence that starts with the line.");
    module.def(
        "read_columns", &columns_of, py::arg("data"), py::arg("columns"), py::arg("titles"),
        "Table (n, columns) float64 of a text as nonBragg.c reads it, NaN for what is missing, and the number of "
        "rows that begin with no number; they count, as zeros, with `titles`.");
}
