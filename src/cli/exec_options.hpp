// SPDX-License-Identifier: Apache-2.0
// How a command line says what to run in a session; shared by `session exec` and `run`.
#pragma once

#include "cli/passthrough.hpp"

#include <sandboxkit/error.hpp>
#include <sandboxkit/session.hpp>

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace sandboxkit::cli {

inline constexpr const char* exec_json_help =
    "With --json the answer says how the command ended and what it wrote, at most 16 MiB a stream; what is beyond that is\n"
    "counted in standard_output_dropped_bytes and standard_error_dropped_bytes; what the sandbox could not\n"
    "keep, in dropped_bytes.\n";

class ExecOptions {
public:
    // Adds the options, and the command as the last positional. This object outlives the parsing.
    void add_to(CLI::App& command) {
        command.add_option("--cwd", cwd_, "Working directory")->type_name("DIR");
        command.add_option("--env", environment_, "Variable for the command; may be repeated")
            ->type_name("NAME=VALUE")
            ->allow_extra_args(false);
        command.add_option("--user", user_, "User in the sandbox (else root)")->type_name("USER");
        command.add_option("--timeout", timeout_, "Kill the command after so many seconds")
            ->type_name("S")
            ->check(CLI::Range(0.001, 1e7));
        auto* no_stdin = command.add_flag("--no-stdin", no_stdin_, "Give the command an empty standard input");
        command.add_flag("-t,--terminal", terminal_, "Give the command this terminal, in place of its standard streams")
            ->excludes(no_stdin);
        command.add_option("command", argv_, "The command, after --")->required()->type_name("-- COMMAND...");
    }

    // To be called when all is parsed. Without -- an option of the command would be taken for one of this program.
    void insist_on_dashes(const std::vector<std::string>& after_dashes) const {
        if (argv_ != after_dashes) throw CLI::ParseError("the command is written after --", CLI::ExitCodes::ExtrasError);
    }

    [[nodiscard]] Result<ExecRequest> request() const {
        ExecRequest out;
        out.argv = argv_;
        if (!cwd_.empty()) out.cwd = cwd_;
        if (!user_.empty()) out.user = user_;
        if (timeout_) out.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(*timeout_ * 1000));
        for (const auto& variable : environment_) {
            const auto equals = variable.find('=');
            if (equals == std::string::npos || equals == 0)
                return Error{ErrorClass::invalid,
                             "bad_variable",
                             "'" + variable + "' is not NAME=VALUE",
                             "write --env NAME=VALUE",
                             "",
                             {}};
            out.environment[variable.substr(0, equals)] = variable.substr(equals + 1);
        }
        return out;
    }
    [[nodiscard]] Passing passing() const { return {!no_stdin_, terminal_}; }

private:
    std::string cwd_, user_;
    std::vector<std::string> environment_, argv_;
    std::optional<double> timeout_;
    bool no_stdin_ = false, terminal_ = false;
};

} // namespace sandboxkit::cli
