// SPDX-License-Identifier: Apache-2.0
// What every command has at hand: the store, the principal, and how to answer.
#pragma once

#include "cli/document.hpp"
#include "cli/signals.hpp"

#include <sandboxkit/engine.hpp>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit::cli {

struct Settings {
    // Empty: SANDBOXKIT_STORE, else sandboxkit/sandboxkit.db in the user's data directory (XDG_DATA_HOME).
    std::filesystem::path store;
    std::filesystem::path state_directory; // empty: SANDBOXKIT_STATE_DIRECTORY, else beside the store
    // Of credential_sources.hpp. Empty: SANDBOXKIT_CREDENTIALS; else there are no credentials.
    std::filesystem::path credentials;
    std::string principal;                 // empty: the user's name
    std::vector<std::string> after_dashes; // what follows the first -- on the command line
    bool json = false;
    Signals* signals = nullptr;

    [[nodiscard]] Principal who() const;
    [[nodiscard]] Result<EngineOptions> engine_options() const;
    // Opens the store, which must be there: a mistyped name is an error, not a new store. `build`: this process works on
    // queued snapshot jobs.
    [[nodiscard]] Result<Engine> open(bool build = false) const;
    // The same for the commands that a new store begins with.
    [[nodiscard]] Result<Engine> open_or_create(bool build = false) const;

    // Prints an error and returns the exit code. With --json it is {"error": ...} on standard output, with what else is
    // known beside it. With `from`, the file that its problems are of, each problem is told with its line and column there.
    [[nodiscard]] int fail(const Error& error, boost::json::object beside = {}, const Document* from = nullptr) const;
    // Prints an answer, with --json the value, else the text, and returns the exit code: an answer that did not arrive is
    // a failure.
    [[nodiscard]] int answer(const boost::json::value& value, const std::string& text) const;
};

// Waits for an operation; the first signal cancels it, the second ends the process.
template <class T>
[[nodiscard]] Result<T> wait(const Settings& settings, Operation<T> operation) {
    bool asked = false;
    const Signals::Scope scope(*settings.signals, [&](int number) {
        if (std::exchange(asked, true)) std::_Exit(128 + number);
        operation.cancel();
    });
    return operation.get();
}

// The text of an error as people read it. `from`: the file that its problems are of.
[[nodiscard]] std::string error_text(const Error& error, const Document* from = nullptr);
[[nodiscard]] boost::json::value error_to_json(const Error& error, const Document* from = nullptr);

} // namespace sandboxkit::cli
