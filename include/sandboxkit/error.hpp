// SPDX-License-Identifier: Apache-2.0
// Errors are values with an address: a stable class to branch on, a stable code to look up, one line
// for people, and what to do about it. What a provider or a library said is kept apart from what we say.
#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

#include <cstdint>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

// The stable class of an error. The numbers are part of the C ABI: never reused, never renumbered.
enum class ErrorClass : std::uint8_t {
    invalid = 1,      // the request or document is wrong; repeating it unchanged fails again
    not_found = 2,    // the named object does not exist
    conflict = 3,     // the object is in a state, or at a revision, that does not allow this
    permission = 4,   // the principal, or this process, may not do this
    unavailable = 5,  // a peer or resource is not reachable now; may be retried
    quota = 6,        // a limit was reached: disk, memory, processes, size
    timeout = 7,      // the time allowed for the operation ran out
    cancelled = 8,    // the caller cancelled the operation
    data_loss = 9,    // stored data is damaged or from a version this build cannot read
    unsupported = 10, // this build or the chosen provider does not do this, said by name
    internal = 11,    // a defect of the library, or a peer that broke its own protocol
};

constexpr std::string_view to_string(ErrorClass c) noexcept {
    switch (c) {
    case ErrorClass::invalid: return "invalid";
    case ErrorClass::not_found: return "not_found";
    case ErrorClass::conflict: return "conflict";
    case ErrorClass::permission: return "permission";
    case ErrorClass::unavailable: return "unavailable";
    case ErrorClass::quota: return "quota";
    case ErrorClass::timeout: return "timeout";
    case ErrorClass::cancelled: return "cancelled";
    case ErrorClass::data_loss: return "data_loss";
    case ErrorClass::unsupported: return "unsupported";
    case ErrorClass::internal: return "internal";
    }
    return "internal";
}

// One fault in a document. `pointer` is an RFC 6901 JSON pointer ("" is the whole document).
struct Problem {
    std::string pointer;
    std::string code;    // stable, e.g. "unknown_field"
    std::string message; // one line
    std::string remedy;  // what to do; may be empty

    friend bool operator==(const Problem&, const Problem&) = default;
};

struct Error {
    ErrorClass kind = ErrorClass::internal;
    std::string code;              // stable, lower_snake_case, e.g. "snapshot_not_ready"
    std::string message;           // one line for people; never contains a secret
    std::string remedy;            // what to do about it; may be empty
    std::string detail;            // the peer's or library's own text, untrusted, bounded to 64 KiB
    std::vector<Problem> problems; // every fault of a document at once; empty for other errors
};

// For logs and test failures: "not_found profile_not_found: no such profile".
inline std::ostream& operator<<(std::ostream& out, const Error& e) {
    return out << to_string(e.kind) << ' ' << e.code << ": " << e.message;
}

// Thrown only by Result::value() on an error, that is, when a caller chose exceptions.
class Exception : public std::runtime_error {
public:
    explicit Exception(Error e) : std::runtime_error(e.message), error_(std::move(e)) {}
    [[nodiscard]] const Error& error() const noexcept { return error_; }

private:
    Error error_;
};

[[noreturn]] inline void throw_exception_from_error(const Error& e, const boost::source_location&) {
    throw Exception(e);
}

// Either a T or an Error. `if (!r) return r.error();` passes an error up.
template <class T>
using Result = boost::system::result<T, Error>;

} // namespace sandboxkit
