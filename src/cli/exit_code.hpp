// SPDX-License-Identifier: Apache-2.0
// The exit codes of the command line. They are stable: scripts branch on them.
#pragma once

#include <sandboxkit/error.hpp>

namespace sandboxkit::cli {

inline constexpr int exit_ok = 0;
inline constexpr int exit_internal = 1; // a defect of sandboxkit
inline constexpr int exit_usage = 2;    // the command line is wrong

// 64 and the number of the error's class: 65 invalid .. 74 unsupported.
constexpr int exit_code(ErrorClass kind) noexcept {
    return kind == ErrorClass::internal ? exit_internal : 64 + static_cast<int>(kind);
}

inline constexpr const char* exit_code_help =
    "Exit codes:\n"
    "  0   done\n"
    "  1   internal error                 2   wrong usage\n"
    "  65  invalid document or request    66  not found\n"
    "  67  conflict with the state        68  permission denied\n"
    "  69  not available now              70  a limit was reached\n"
    "  71  timeout                        72  cancelled\n"
    "  73  stored data damaged            74  not supported\n"
    "  'session exec' and 'run' end with the command's own exit code, or 128 and the signal's number.\n"
    "  A wait that is ended by a signal ends with 128 and the signal's number.\n"
    "  An answer that cannot be written ends with 69, or 141 where nobody reads it.\n";

} // namespace sandboxkit::cli
