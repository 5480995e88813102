// SPDX-License-Identifier: Apache-2.0
// From what SOCI throws to what the store returns.
#pragma once

#include <sandboxkit/error.hpp>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace sandboxkit::store {

// Carries an Error to the border of the module, where it becomes a value. Thrown while a store is opened, and by with_detail().
class Failure : public std::runtime_error {
public:
    explicit Failure(Error e) : std::runtime_error(e.message), error(std::move(e)) {}
    Error error;
};

[[nodiscard]] Error make_error(ErrorClass kind, std::string code, std::string message, std::string remedy = {});
[[nodiscard]] Error not_found(std::string_view what, std::string code, std::string_view id);

// Of SQLite's (extended) result code. `system_errno`: what the system said, 0 when nothing.
[[nodiscard]] Error error_of(int sqlite_code, int system_errno, std::string detail, const std::filesystem::path& file);

// Call in a catch block only.
[[nodiscard]] Error error_of_current_exception(const std::filesystem::path& file, int system_errno);
// Whether the exception being handled says no more than that a constraint held: the connection stays good.
[[nodiscard]] bool current_exception_is_constraint();
// Whether it says that another connection held the lock.
[[nodiscard]] bool current_exception_is_busy();

} // namespace sandboxkit::store
