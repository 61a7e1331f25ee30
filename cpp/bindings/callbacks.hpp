// Between C++ and the Python that called it: progress, and errors.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>

#include "nanobragg/error.hpp"

// Calls a progress callback (or None), and looks for signals, from work that was started without the GIL. What is
// raised there stops the work, and rethrow() raises it when all threads have come home.
class Progress {
  public:
    explicit Progress(const pybind11::object& callback) : callback_(callback) {}

    bool operator()(double fraction) {
        const pybind11::gil_scoped_acquire gil;
        try {
            if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
            if (!callback_.is_none()) callback_(fraction);
        } catch (...) {
            raised_ = std::current_exception();
            return false;
        }
        return true;
    }

    void rethrow() const {
        if (raised_) std::rethrow_exception(raised_);
    }

  private:
    const pybind11::object& callback_;
    std::exception_ptr raised_;
};

// Raises the class of that name in nanobragg.errors.
inline void set_error(const char* name, const std::exception& error) {
    pybind11::set_error(pybind11::module_::import("nanobragg.errors").attr(name), error.what());
}

// InputError of this module's C++ becomes Python's.
inline void translate_input_errors() {
    pybind11::register_local_exception_translator([](std::exception_ptr thrown) {
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const nanobragg::InputError& error) {
            set_error("InputError", error);
        }
    });
}
