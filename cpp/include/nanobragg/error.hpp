// Errors that are the user's to mend; Python sees them as nanobragg.errors.InputError.
#pragma once

#include <stdexcept>

namespace nanobragg {

class InputError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace nanobragg
