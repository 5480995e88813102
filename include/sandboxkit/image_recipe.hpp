// SPDX-License-Identifier: Apache-2.0
// What is put into an image on top of its base. What each member means: profile_fields.hpp.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace sandboxkit {

using OptionValue = std::variant<bool, std::string>;

// A building block of the Dev Container Features catalog.
struct Feature {
    std::string id;
    std::map<std::string, OptionValue> options;

    friend bool operator==(const Feature&, const Feature&) = default;
};

// What a reference of a feature stood for, as devcontainer-lock.json has it.
struct FeatureLock {
    std::string id;
    std::string version;
    std::string resolved;
    std::string integrity;
    std::vector<std::string> depends_on; // ids

    friend bool operator==(const FeatureLock&, const FeatureLock&) = default;
};

struct Hook {
    std::string name;
    std::string script;
    std::uint32_t timeout_seconds = 600;

    friend bool operator==(const Hook&, const Hook&) = default;
};

struct Hooks {
    std::vector<Hook> build;   // once an image
    std::vector<Hook> runtime; // at each launch
    std::vector<Hook> prewarm; // while a member of the warm pool is made

    friend bool operator==(const Hooks&, const Hooks&) = default;
};

} // namespace sandboxkit
