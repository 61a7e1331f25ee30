// Structure-factor text: the native parser (specs/formats.md; the Python tests cover the messages).
#include <doctest/doctest.h>
#include <omp.h>

#include <string>

#include "nanobragg/error.hpp"
#include "nanobragg/hkl.hpp"

using namespace nanobragg;

namespace {

double at(const StructureFactorGrid& grid, std::int64_t h, std::int64_t k, std::int64_t l) {
    const auto i = static_cast<std::size_t>(h - grid.minimum[0]), j = static_cast<std::size_t>(k - grid.minimum[1]),
               m = static_cast<std::size_t>(l - grid.minimum[2]);
    return grid.values[(i * grid.shape[1] + j) * grid.shape[2] + m];
}

std::string message_of(const std::string& text) {
    try {
        parse_hkl(text, 0.0);
    } catch (const InputError& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("columns, comments and line ends") {
    const StructureFactorGrid grid = parse_hkl("# h k l F\r\n 1 -2 3 4.5 0.1 x\n\n+1 -2 5 6e1\r-1 -2 3 .25", 9.0);
    CHECK(grid.minimum == std::array<std::int64_t, 3>{-1, -2, 3});
    CHECK(grid.shape == std::array<std::size_t, 3>{3, 1, 3});
    CHECK(grid.count == 3);
    CHECK(at(grid, 1, -2, 3) == 4.5);
    CHECK(at(grid, 1, -2, 5) == 60.0);
    CHECK(at(grid, -1, -2, 3) == 0.25);
    CHECK(at(grid, 0, -2, 4) == 9.0);
    CHECK(grid.warnings.empty());
}

TEST_CASE("the last of many duplicates wins, in any number of pieces") {
    std::string text;
    for (int i = 0; i < 100000; ++i) {
        text += std::to_string(i % 7) + " 0 " + std::to_string(i % 3) + " " + std::to_string(i) + "\n";
    }
    const int threads = omp_get_max_threads();
    for (const int count : {1, 2, 5, 16}) {
        omp_set_num_threads(count);
        const StructureFactorGrid grid = parse_hkl(text, 0.0);
        CHECK(grid.count == 100000);
        for (int i = 100000 - 21; i < 100000; ++i) CHECK(at(grid, i % 7, 0, i % 3) == i);
        CHECK(message_of(text + "1 2\n" + text + "x\n").rfind("line 100001: found '1 2'", 0) == 0);
    }
    omp_set_num_threads(threads);
}

TEST_CASE("bad lines and absurd ranges are refused") {
    CHECK(message_of("1 2 3").rfind("line 1: found '1 2 3'", 0) == 0);
    CHECK(message_of("0 0 0 1\n1 2 3 4x").rfind("line 2", 0) == 0);
    CHECK(message_of("1 2 3 \xff").rfind("line 1: found '1 2 3 ?'", 0) == 0);
    CHECK(message_of("4294967296 0 0 1").rfind("line 1", 0) == 0);
    CHECK(message_of("") == "found no reflection, expected lines h k l F");
    CHECK(message_of("0 0 0 1\n99999 99999 99999 1").find("k from 0 to 99999") != std::string::npos);
}

TEST_CASE("indices that are not whole are rounded with one warning") {
    const StructureFactorGrid grid = parse_hkl("1 1 1 1\n2.2 1 1 2\n2.9 1 1 3\n", 0.0);
    CHECK(at(grid, 2, 1, 1) == 2.0);
    CHECK(at(grid, 3, 1, 1) == 3.0);
    REQUIRE(grid.warnings.size() == 1);
    CHECK(grid.warnings[0].find("2 lines, the first line 2: '2.2 1 1 2'") != std::string::npos);
}
