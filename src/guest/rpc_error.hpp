// SPDX-License-Identifier: Apache-2.0
// The errors of the Connect protocol, as values. https://connectrpc.com/docs/protocol#error-codes
#pragma once

#include "tree/tree_failure.hpp"

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sandboxkit::guest {

enum class Code : std::uint8_t {
    unknown,
    invalid_argument,
    deadline_exceeded,
    not_found,
    already_exists,
    permission_denied,
    resource_exhausted,
    failed_precondition,
    unimplemented,
    internal,
    unavailable,
    unauthenticated,
};

struct RpcError {
    Code code = Code::internal;
    std::string message; // one line for people
};

[[noreturn]] inline void throw_exception_from_error(const RpcError& e, const boost::source_location&) {
    throw std::runtime_error(e.message);
}

// Either a T or an RpcError.
template <class T>
using Answer = boost::system::result<T, RpcError>;

[[nodiscard]] std::string_view to_string(Code code) noexcept;
[[nodiscard]] unsigned http_status(Code code) noexcept;

// What went wrong in a system call, with the code that fits `error` (an errno value): "<what>: <description>".
[[nodiscard]] RpcError system_error(int error, std::string what);
using tree::describe;

} // namespace sandboxkit::guest
