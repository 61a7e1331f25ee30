// Arrays for other libraries without a copy: the stable part of the DLPack protocol (the array API standard describes
// it), in the form that every consumer takes.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace nanobragg {

constexpr int kDlpackCpu = 1, kDlpackCuda = 2;

// What an array is of.
enum class Elements { float32, float64, int32 };

// C-contiguous; `owner` lives as long as somebody uses the array.
inline pybind11::capsule dlpack_capsule(std::shared_ptr<void> owner, void* data, std::vector<std::int64_t> shape,
                                        Elements elements, std::int32_t device_type, std::int32_t device_number) {
    struct Tensor {
        void* data;
        std::int32_t device_type, device_number;
        std::int32_t dimensions;
        std::uint8_t type_code, type_bits;
        std::uint16_t type_lanes;
        std::int64_t* shape;
        std::int64_t* strides;
        std::uint64_t byte_offset;
    };
    struct Managed {
        Tensor tensor;
        void* context;
        void (*deleter)(Managed*);
    };
    struct Holder {
        Managed managed{};
        std::vector<std::int64_t> shape, strides;
        std::shared_ptr<void> owner;
    };
    constexpr std::uint8_t kInt = 0, kFloat = 2;
    auto* holder = new Holder;
    holder->shape = std::move(shape);
    holder->owner = std::move(owner);
    holder->strides.assign(holder->shape.size(), 1);
    for (std::size_t i = holder->shape.size(); i-- > 1;) {
        holder->strides[i - 1] = holder->strides[i] * holder->shape[i];
    }
    Managed& managed = holder->managed;
    managed.tensor = {data,
                      device_type,
                      device_number,
                      static_cast<std::int32_t>(holder->shape.size()),
                      elements == Elements::int32 ? kInt : kFloat,
                      elements == Elements::float64 ? std::uint8_t{64} : std::uint8_t{32},
                      1,
                      holder->shape.data(),
                      holder->strides.data(),
                      0};
    managed.context = holder;
    managed.deleter = [](Managed* self) { delete static_cast<Holder*>(self->context); };
    // A consumer renames the capsule and calls the deleter itself.
    return pybind11::capsule(&managed, "dltensor", [](PyObject* capsule) {
        if (!PyCapsule_IsValid(capsule, "dltensor")) return;
        auto* unused = static_cast<Managed*>(PyCapsule_GetPointer(capsule, "dltensor"));
        unused->deleter(unused);
    });
}

}  // namespace nanobragg
