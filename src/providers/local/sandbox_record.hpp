// SPDX-License-Identifier: Apache-2.0
// What is written down about a sandbox: sandbox.json, made once, and run.json, while its compute runs.
#pragma once

#include <sandboxkit/profile.hpp>
#include <sandboxkit/provider.hpp>

#include "providers/local/process_identity.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::local {

struct SandboxRecord {
    std::string id;
    CreateRequest request;
};

struct RunRecord {
    ProcessIdentity guest;
    std::optional<ProcessIdentity> slirp; // with open egress
};

// "sbx_" and 20 hexadecimal digits of the token's digest.
std::string sandbox_id(std::string_view token);

std::string write_sandbox_record(const SandboxRecord& record);
// Errors: data_loss "sandbox_record_damaged".
Result<SandboxRecord> read_sandbox_record(std::string_view text);
std::string write_run_record(const RunRecord& record);
Result<RunRecord> read_run_record(std::string_view text);

} // namespace sandboxkit::local
